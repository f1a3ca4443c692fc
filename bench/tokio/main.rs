// SPDX-License-Identifier: MIT
//! tokio: its current-thread runtime, which is its fastest on one thread.
//! resume: a future that wakes itself (yield_now waits for a look at io each time). spawn: tokio::spawn of a
//! hand-written future. hop: Notify; spinning, another task keeps the runtime awake and the queue of other threads is
//! looked at each tick. oneshot: tokio::sync::oneshot. timers: Sleep, first polled by hand, reset, dropped; the clock
//! is ours as in clock.h. echo: read and write_all.
//! Built by bench/run with cargo, offline. The protocol of a driver: bench.h.

use std::cell::UnsafeCell;
use std::future::{poll_fn, Future};
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, Notify};
use tokio::time::Sleep;

// ------------------------------------------------------------------------------------------- clock

static CLOCK: AtomicI64 = AtomicI64::new(0); // 0: the real one
static LIBC: AtomicUsize = AtomicUsize::new(0);
type Clock = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int;

/// Stands before that of libc for the whole program.
///
/// # Safety
/// As clock_gettime(2).
#[no_mangle]
pub unsafe extern "C" fn clock_gettime(id: libc::clockid_t, out: *mut libc::timespec) -> libc::c_int {
    let fake = CLOCK.load(Relaxed);
    if fake != 0 {
        (*out).tv_sec = fake / 1_000_000_000;
        (*out).tv_nsec = fake % 1_000_000_000;
        return 0;
    }
    real_clock(id, out)
}

unsafe fn real_clock(id: libc::clockid_t, out: *mut libc::timespec) -> libc::c_int {
    let mut found = LIBC.load(Relaxed);
    if found == 0 {
        found = libc::dlsym(libc::RTLD_NEXT, b"clock_gettime\0".as_ptr().cast()) as usize;
        LIBC.store(found, Relaxed);
    }
    std::mem::transmute::<usize, Clock>(found)(id, out)
}

fn now() -> i64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { real_clock(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

// -------------------------------------------------------------------------------------- the driver

/// Does so many operations; nanoseconds.
type Run = Box<dyn FnMut(u64) -> i64>;
type Samples = Arc<Mutex<Vec<f64>>>;

struct Workload {
    name: &'static str,
    size: u64,
    operations: u64, // of a run, or 0: as many as fill an eighth of a slice
    spread: bool,
    make: fn(u64, Samples) -> Run,
}

fn calibrate(w: &Workload, run: &mut Run, slice_ms: u64) -> u64 {
    if w.operations != 0 {
        return w.operations;
    }
    let size = w.size.max(1);
    let mut rounds = 1000 / size + 1;
    loop {
        let took = run(rounds * size);
        if took >= 1_000_000 {
            return (rounds * slice_ms * 1_000_000 / 8 / took as u64 + 1) * size;
        }
        rounds *= 2;
    }
}

fn slice(w: &Workload, run: &mut Run, samples: &Samples, operations: u64, slice_ms: u64) {
    let end = now() + slice_ms as i64 * 1_000_000;
    samples.lock().unwrap().clear();
    while {
        let took = run(operations);
        if !w.spread {
            samples.lock().unwrap().push(took as f64 / operations as f64);
        }
        now() < end
    } {}
    let mut all = samples.lock().unwrap();
    all.sort_by(f64::total_cmp);
    let quantile = |part: f64| all[(part * (all.len() - 1) as f64) as usize];
    println!("{} {} {:.4}", w.name, if w.spread { "p50" } else { "ns" }, quantile(0.5));
    if w.spread {
        let middle = &all[all.len() / 10..all.len() - all.len() / 10];
        println!("{} p99 {:.4}", w.name, quantile(0.99));
        println!("{} middle {:.4}", w.name, middle.iter().sum::<f64>() / middle.len() as f64);
    }
}

fn slices(w: &Workload, slice_ms: u64) {
    let samples = Samples::default();
    let mut run = (w.make)(w.size, samples.clone());
    let operations = calibrate(w, &mut run, slice_ms);
    run(operations);
    println!();
    std::io::stdout().flush().unwrap();
    for _ in std::io::stdin().lock().lines() {
        slice(w, &mut run, &samples, operations, slice_ms);
        println!();
        std::io::stdout().flush().unwrap();
    }
}

fn once(w: &Workload, operations: u64) {
    let mut run = (w.make)(w.size, Samples::default());
    let each = if w.operations != 0 { w.operations } else { operations };
    let mut done = 0;
    while done < operations {
        run(each);
        done += each;
    }
}

// ------------------------------------------------------------------------------------------ resume

static LEFT: AtomicU64 = AtomicU64::new(0);
static WAITS: Mutex<Option<Waker>> = Mutex::new(None);

fn take_one() -> bool {
    let left = LEFT.load(Relaxed);
    if left > 0 {
        LEFT.store(left - 1, Relaxed);
    }
    if left == 1 {
        if let Some(waker) = WAITS.lock().unwrap().take() {
            waker.wake();
        }
    }
    left > 0
}

/// Until LEFT is 0.
async fn all_taken() {
    poll_fn(|cx| {
        if LEFT.load(Relaxed) == 0 {
            return Poll::Ready(());
        }
        *WAITS.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

struct Yield(bool);
impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn spinner() {
    let mut count = 0u64;
    loop {
        count = black_box(count + 1);
        take_one();
        Yield(false).await;
    }
}

macro_rules! deeper {
    ($outer:ident $inner:ident $($rest:ident)*) => {
        async fn $outer() { $inner().await }
        deeper!($inner $($rest)*);
    };
    ($last:ident) => {};
}
deeper!(d16 d15 d14 d13 d12 d11 d10 d9 d8 d7 d6 d5 d4 d3 d2 spinner);

fn resume_with<F: Future<Output = ()> + Send + 'static>(tasks: u64, task: fn() -> F) -> Run {
    let rt = runtime();
    for _ in 0..tasks {
        rt.spawn(task());
    }
    Box::new(move |polls| {
        let start = now();
        LEFT.store(polls, Relaxed);
        rt.block_on(all_taken());
        now() - start
    })
}

fn resume(tasks: u64, _: Samples) -> Run {
    resume_with(tasks, spinner)
}
fn resume_deep(tasks: u64, _: Samples) -> Run {
    resume_with(tasks, d16)
}

// ------------------------------------------------------------------------------------------- spawn

static CHAINS: AtomicU64 = AtomicU64::new(0); // not yet at their end

/// A task that spawns its successor and ends; the last of all wakes who waits.
struct Successor(u64);
impl Future for Successor {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if take_one() {
            tokio::spawn(Successor(self.0 + 1));
        } else {
            CHAINS.fetch_sub(1, Relaxed);
        }
        Poll::Ready(())
    }
}

fn spawn(_: u64, _: Samples) -> Run {
    let rt = runtime();
    Box::new(move |tasks| {
        let start = now();
        LEFT.store(tasks, Relaxed);
        CHAINS.store(64, Relaxed);
        for _ in 0..64 {
            rt.spawn(Successor(0));
        }
        rt.block_on(all_taken());
        let took = now() - start;
        while CHAINS.load(Relaxed) > 0 {
            rt.block_on(Yield(false));
        }
        took
    })
}

/// Operations are tasks that wait for ever.
fn idle(_: u64, _: Samples) -> Run {
    let rt = runtime();
    Box::new(move |tasks| {
        for _ in 0..tasks {
            rt.spawn(std::future::pending::<()>());
        }
        rt.block_on(Yield(false));
        0
    })
}

// -------------------------------------------------------------------------------------------- hops

#[derive(Default)]
#[repr(align(64))]
struct Line(AtomicU64);

#[derive(Default)]
struct Hop {
    armed: Line,
    sent: Line,
    stamp: Line,
    notify: Notify,
    value: Mutex<Option<oneshot::Sender<u64>>>,
}

const SPINNING_NS: i64 = 1500;
const PARKED_NS: i64 = 50000;

fn pin_other() {
    if let Some(cpu) = std::env::var("BENCH_OTHER_CPU").ok().and_then(|text| text.parse::<usize>().ok()) {
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut set);
            libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
        }
    }
}

/// As hop_sender of hop.h; with a value to send, it goes before the stamp.
fn sender(h: Arc<Hop>, first: u64, rounds: u64, pause: i64) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        pin_other();
        for round in first + 1..=first + rounds {
            while h.armed.0.load(Acquire) < round {
                std::hint::spin_loop();
            }
            let until = now() + pause;
            while now() < until {
                h.stamp.0.store(0, Relaxed); // keeps the line in this cpu's cache
                std::hint::spin_loop();
            }
            if let Some(value) = h.value.lock().unwrap().take() {
                value.send(round).unwrap();
                h.sent.0.store(round, Release);
            } else {
                h.stamp.0.store(now() as u64, Relaxed);
                h.notify.notify_one();
            }
        }
    })
}

fn hops(rt: Runtime, pause: i64, samples: Samples) -> Run {
    let h = Arc::new(Hop::default());
    let mut got = 0;
    Box::new(move |rounds| {
        let (first, samples, here) = (got, samples.clone(), h.clone());
        let start = now();
        let thread = sender(h.clone(), first, rounds, pause);
        got += rounds;
        rt.block_on(rt.spawn(async move {
            let mut taken = Vec::with_capacity(rounds as usize);
            for round in first + 1..=first + rounds {
                here.armed.0.store(round, Release);
                here.notify.notified().await;
                taken.push((now() - here.stamp.0.load(Relaxed) as i64) as f64);
            }
            samples.lock().unwrap().extend(taken);
        }))
        .unwrap();
        thread.join().unwrap();
        now() - start
    })
}

fn hops_spinning(_: u64, samples: Samples) -> Run {
    let rt = Builder::new_current_thread().enable_all().global_queue_interval(1).build().unwrap();
    rt.spawn(async {
        loop {
            Yield(false).await
        }
    });
    hops(rt, SPINNING_NS, samples)
}

fn hops_parked(_: u64, samples: Samples) -> Run {
    hops(runtime(), PARKED_NS, samples)
}

fn oneshot_completed(_: u64, samples: Samples) -> Run {
    let (rt, h) = (runtime(), Arc::new(Hop::default()));
    let mut got = 0;
    Box::new(move |rounds| {
        let start = now();
        let thread = sender(h.clone(), got, rounds, 0);
        rt.block_on(async {
            for round in got + 1..=got + rounds {
                let (tx, rx) = oneshot::channel();
                *h.value.lock().unwrap() = Some(tx);
                h.armed.0.store(round, Release);
                while h.sent.0.load(Acquire) < round {
                    std::hint::spin_loop();
                }
                let stamp = now();
                rx.await.unwrap();
                let took = now() - stamp;
                samples.lock().unwrap().push(took as f64);
            }
        });
        got += rounds;
        thread.join().unwrap();
        now() - start
    })
}

// ------------------------------------------------------------------------------------------ timers

const MORE: usize = 1000;
const REARMS: usize = 1 << 17;
const SPAN: i64 = 10_000_000_000;

static FIRED: UnsafeCounter = UnsafeCounter(UnsafeCell::new(0));
struct UnsafeCounter(UnsafeCell<u64>);
unsafe impl Sync for UnsafeCounter {} // one thread has timers

/// Counts what expires.
fn counting() -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(std::ptr::null(), &TABLE),
        |_| unsafe { *FIRED.0.get() += 1 },
        |_| unsafe { *FIRED.0.get() += 1 },
        |_| {},
    );
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

struct Timers {
    rt: Runtime,
    zero: Instant, // when the clock said 0
    now: i64,
    random: u64,
    shift: usize,
    pending: usize,
    nodes: Vec<Option<Sleep>>, // never moves
    more: Vec<i64>,
    when: Vec<i64>,
    which: Vec<usize>,
}

impl Timers {
    fn new(pending: u64) -> Timers {
        let now = 1000 * 1_000_000_000;
        CLOCK.store(now, Relaxed);
        let mut t = Timers {
            rt: runtime(),
            zero: Instant::now() - Duration::from_nanos(now as u64),
            now,
            random: 88172645463325252,
            shift: 0,
            pending: pending as usize,
            nodes: Vec::new(),
            more: Vec::new(),
            when: Vec::new(),
            which: Vec::new(),
        };
        t.nodes.resize_with(pending as usize + MORE, || None);
        t.more = (0..MORE).map(|_| t.later()).collect();
        for _ in 0..REARMS {
            let when = t.later();
            t.when.push(when);
            let which = (t.next_random() >> 20) as u32 as usize % t.pending;
            t.which.push(which);
        }
        t.arm_all();
        t
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545F4914F6CDD1D)
    }
    fn later(&mut self) -> i64 {
        self.now + 1_000_000 + (self.next_random() % SPAN as u64) as i64
    }
    fn at(&self, deadline: i64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.zero + Duration::from_nanos(deadline as u64))
    }
    fn node(&mut self, index: usize) -> Pin<&mut Option<Sleep>> {
        unsafe { Pin::new_unchecked(&mut self.nodes[index]) }
    }

    fn arm(&mut self, index: usize, deadline: i64) {
        let (at, waker) = (self.at(deadline), counting());
        let mut node = self.node(index);
        node.set(Some(tokio::time::sleep_until(at)));
        assert!(node.as_pin_mut().unwrap().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    fn arm_all(&mut self) {
        let deadlines: Vec<i64> = (0..self.pending).map(|_| self.later()).collect();
        let handle = self.rt.handle().clone();
        let inside = handle.enter();
        for (i, &deadline) in deadlines.iter().enumerate() {
            self.arm(i, deadline);
        }
        drop(inside);
        // From here on it knows its next deadline; until then each insert would wake it by an eventfd.
        self.rt.block_on(Yield(false));
    }
    fn insert_more(&mut self) -> i64 {
        let handle = self.rt.handle().clone();
        let _inside = handle.enter();
        let start = now();
        for i in 0..MORE {
            self.arm(self.pending + i, self.more[i]);
        }
        now() - start
    }
    fn cancel_more(&mut self) -> i64 {
        let start = now();
        for i in 0..MORE {
            let index = self.pending + i;
            self.node(index).set(None);
        }
        now() - start
    }
    fn rearm(&mut self) -> i64 {
        let start = now();
        self.shift += 7919;
        for i in 0..REARMS {
            let at = self.at(self.when[(i + self.shift) % REARMS]);
            let index = self.which[i];
            self.node(index).as_pin_mut().unwrap().reset(at);
        }
        now() - start
    }
    fn expire(&mut self) -> i64 {
        let (step, end) = (SPAN / (self.pending as i64 / 10), self.now + SPAN + 100_000_000);
        let (start, before) = (now(), unsafe { *FIRED.0.get() });
        while self.now < end {
            self.now += step;
            CLOCK.store(self.now, Relaxed);
            self.rt.block_on(Yield(false));
        }
        let took = now() - start;
        assert_eq!(unsafe { *FIRED.0.get() } - before, self.pending as u64);
        self.arm_all();
        took
    }
}

fn timer_insert(pending: u64, _: Samples) -> Run {
    let mut t = Timers::new(pending);
    Box::new(move |_| {
        let took = t.insert_more();
        t.cancel_more();
        took
    })
}
fn timer_cancel(pending: u64, _: Samples) -> Run {
    let mut t = Timers::new(pending);
    Box::new(move |_| {
        t.insert_more();
        t.cancel_more()
    })
}
fn timer_rearm(pending: u64, _: Samples) -> Run {
    let mut t = Timers::new(pending);
    Box::new(move |_| t.rearm())
}
fn timer_expire(pending: u64, _: Samples) -> Run {
    let mut t = Timers::new(pending);
    Box::new(move |_| t.expire())
}

// -------------------------------------------------------------------------------------------- echo

async fn connection(mut stream: tokio::net::TcpStream) {
    let mut buf = [0u8; 4096];
    while let Ok(n) = stream.read(&mut buf).await {
        if n == 0 || stream.write_all(&buf[..n]).await.is_err() {
            break;
        }
    }
}

async fn serve(port: u16) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(connection(stream));
        }
    }
}

const fn row(name: &'static str, size: u64, operations: u64, spread: bool, make: fn(u64, Samples) -> Run) -> Workload {
    Workload { name, size, operations, spread, make }
}

macro_rules! timers {
    ($($insert:literal $cancel:literal $rearm:literal $expire:literal $size:literal)*) => {
        [$(row($insert, $size, MORE as u64, false, timer_insert), row($cancel, $size, MORE as u64, false, timer_cancel),
           row($rearm, $size, REARMS as u64, false, timer_rearm), row($expire, $size, $size, false, timer_expire)),*]
    };
}

fn main() {
    let mut workloads = vec![
        row("resume/1", 1, 0, false, resume),
        row("resume/1000", 1000, 0, false, resume),
        row("resume/100000", 100000, 0, false, resume),
        row("resume-depth16/1", 1, 0, false, resume_deep),
        row("resume-depth16/1000", 1000, 0, false, resume_deep),
        row("resume-depth16/100000", 100000, 0, false, resume_deep),
        row("spawn/heap", 0, 0, false, spawn),
        row("task-idle", 0, 0, false, idle),
        row("hop/spinning", 0, 1000, true, hops_spinning),
        row("hop/parked", 0, 100, true, hops_parked),
        row("oneshot/completed", 0, 1000, true, oneshot_completed),
    ];
    workloads.extend(timers!(
        "timer-insert/1000" "timer-cancel/1000" "timer-rearm/1000" "timer-expire/1000" 1000
        "timer-insert/100000" "timer-cancel/100000" "timer-rearm/100000" "timer-expire/100000" 100000
        "timer-insert/1000000" "timer-cancel/1000000" "timer-rearm/1000000" "timer-expire/1000000" 1000000
        "timer-insert/10000000" "timer-cancel/10000000" "timer-rearm/10000000" "timer-expire/10000000" 10000000
    ));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let find = |name: &str| workloads.iter().find(|w| w.name == name).expect("no such workload");
    match texts[..] {
        ["--list"] => workloads.iter().for_each(|w| println!("{}", w.name)),
        ["--once", name, count] => once(find(name), count.parse().unwrap()),
        ["echo", port] => runtime().block_on(serve(port.parse().unwrap())),
        [name, ms] => slices(find(name), ms.parse().unwrap()),
        _ => std::process::exit(2),
    }
}
