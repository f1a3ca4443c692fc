// SPDX-License-Identifier: MIT
// Go: goroutines on one processor (two where another thread wakes).
// resume: runtime.Gosched. spawn: the go statement. hop: a channel that holds one value. timers: AfterFunc, Reset and
// Stop; its clock cannot be moved, so there is no expiry. echo: a goroutine per connection.
// go build -o go go.go && ./go --list; ./go echo PORT. The protocol of a driver: bench.h.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type run func(operations uint64) int64

type workload struct {
	name       string
	size       uint64
	operations uint64 // of a run, or 0: as many as fill an eighth of a slice
	spread     bool
	make       func(size uint64) run
}

var (
	zero    = time.Now()
	samples []float64
)

func now() int64 { return int64(time.Since(zero)) }

func calibrate(w *workload, r run, slice uint64) uint64 {
	if w.operations != 0 {
		return w.operations
	}
	size := w.size
	if size == 0 {
		size = 1
	}
	for rounds := 1000/size + 1; ; rounds *= 2 {
		if took := r(rounds * size); took >= 1000000 {
			return (rounds*slice*1000000/8/uint64(took) + 1) * size
		}
	}
}

func slice(w *workload, r run, operations uint64, ms uint64) {
	end := now() + int64(ms)*1000000
	samples = samples[:0]
	for {
		took := r(operations)
		if !w.spread {
			samples = append(samples, float64(took)/float64(operations))
		}
		if now() >= end {
			break
		}
	}
	sort.Float64s(samples)
	quantile := func(part float64) float64 { return samples[int(part*float64(len(samples)-1))] }
	if w.spread {
		cut, sum := len(samples)/10, 0.0
		for _, sample := range samples[cut : len(samples)-cut] {
			sum += sample
		}
		fmt.Printf("%s p50 %.4f\n%s p99 %.4f\n%s middle %.4f\n\n", w.name, quantile(0.5), w.name, quantile(0.99),
			w.name, sum/float64(len(samples)-2*cut))
	} else {
		fmt.Printf("%s ns %.4f\n\n", w.name, quantile(0.5))
	}
}

func slices(w *workload, ms uint64) {
	r := w.make(w.size)
	operations := calibrate(w, r, ms)
	r(operations)
	fmt.Println()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		slice(w, r, operations, ms)
	}
}

// ------------------------------------------------------------------------------------------ resume

// One thread runs goroutines, so these need no atomics.
var left, timed, waiting uint64
var counted uint64 // so that the counts are kept
var over = make(chan bool, 1)

// The others. Who was preempted between its turn and its look at left may say so a second time.
func letRun() {
	runtime.Gosched()
	select {
	case <-over:
	default:
	}
}

// Closed when a run begins. Between runs all goroutines wait: the other sides would share the processor with them.
var begins = make(chan bool)

// Of the polls that are timed. The round before them, in which all wake, is not, nor is the one in which all wait.
var began, ended int64

func spinner() {
	for count := uint64(0); ; count++ {
		if left == 0 {
			counted += count
			waiting++
			<-begins
			continue
		}
		if left == timed {
			began = now()
		}
		left--
		if left == 0 {
			ended = now()
			over <- true
		}
		runtime.Gosched()
	}
}

//go:noinline
func deeper(depth int) {
	if depth == 1 {
		spinner()
	} else {
		deeper(depth - 1)
	}
}

func resumeAt(depth int) func(uint64) run {
	return func(tasks uint64) run {
		left, waiting = 0, 0
		for i := uint64(0); i < tasks; i++ {
			go deeper(depth)
		}
		wait := func() {
			for letRun(); waiting < tasks; letRun() {
			}
		}
		wait()
		return func(polls uint64) int64 {
			closed := begins
			begins = make(chan bool)
			left, timed, waiting = polls+tasks, polls, 0
			close(closed)
			<-over
			wait()
			return ended - began
		}
	}
}

// ------------------------------------------------------------------------------------------- spawn

func successor(number uint64) {
	if left > 0 {
		left--
		go successor(number + 1)
		if left == 0 {
			over <- true
		}
	}
}

func spawn(uint64) run {
	return func(tasks uint64) int64 {
		start := now()
		left = tasks
		for i := 0; i < 64; i++ {
			go successor(0)
		}
		<-over
		took := now() - start
		for letRun(); runtime.NumGoroutine() > 1; letRun() { // the chains whose turn was not the last
		}
		return took
	}
}

// -------------------------------------------------------------------------------------------- hops

func pinOther() {
	cpu, err := strconv.Atoi(os.Getenv("BENCH_OTHER_CPU"))
	if err != nil {
		return
	}
	var set [16]uint64
	set[cpu/64] |= 1 << (cpu % 64)
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set[0])))
}

type hop struct {
	armed uint64
	_     [56]byte
	sent  uint64
	_     [56]byte
	stamp int64
	_     [56]byte
	wake  chan uint64
}

// As hop_sender of hop.h; with completes the value goes before the stamp.
func (h *hop) sender(first, rounds uint64, pause int64, completes bool, done chan bool) {
	runtime.LockOSThread() // and never unlocked: the thread ends with it
	pinOther()
	for round := first + 1; round <= first+rounds; round++ {
		for atomic.LoadUint64(&h.armed) < round {
		}
		for until := now() + pause; now() < until; {
			h.stamp = 0 // keeps the line in this cpu's cache
		}
		if completes {
			h.wake <- round
			atomic.StoreUint64(&h.sent, round)
		} else {
			h.stamp = now()
			h.wake <- round
		}
	}
	done <- true
}

func hops(pause int64, completes bool) run {
	runtime.GOMAXPROCS(2)
	h := &hop{wake: make(chan uint64, 1)}
	done, got := make(chan bool), uint64(0)
	return func(rounds uint64) int64 {
		start := now()
		go h.sender(got, rounds, pause, completes, done)
		for round := got + 1; round <= got+rounds; round++ {
			atomic.StoreUint64(&h.armed, round)
			stamp := int64(0)
			if completes {
				for atomic.LoadUint64(&h.sent) < round {
				}
				stamp = now()
			}
			<-h.wake
			came := now()
			if !completes {
				stamp = h.stamp
			}
			samples = append(samples, float64(came-stamp))
		}
		got += rounds
		<-done
		return now() - start
	}
}

func hopsParked(uint64) run       { return hops(50000, false) }
func oneshotCompleted(uint64) run { return hops(0, true) }

// ------------------------------------------------------------------------------------------ timers

const (
	more   = 1000
	rearms = 1 << 17
	span   = 10000000000
)

type timers struct {
	random, pending, shift uint64
	nodes                  []*time.Timer
	more, when             []time.Duration
	which                  []uint64
}

func (t *timers) next() uint64 {
	t.random ^= t.random >> 12
	t.random ^= t.random << 25
	t.random ^= t.random >> 27
	return t.random * 0x2545F4914F6CDD1D
}

// Far enough not to expire while others are timed.
func (t *timers) later() time.Duration { return time.Hour + time.Duration(t.next()%span) }

func newTimers(pending uint64) *timers {
	t := &timers{random: 88172645463325252, pending: pending, nodes: make([]*time.Timer, pending+more)}
	for i := 0; i < more; i++ {
		t.more = append(t.more, t.later())
	}
	for i := 0; i < rearms; i++ {
		t.when = append(t.when, t.later())
		t.which = append(t.which, uint64(uint32(t.next()>>20))%pending)
	}
	for i := range t.nodes {
		t.nodes[i] = time.AfterFunc(t.later(), func() {})
	}
	t.cancelMore()
	return t
}

func (t *timers) insertMore() int64 {
	start := now()
	for i := uint64(0); i < more; i++ {
		t.nodes[t.pending+i].Reset(t.more[i])
	}
	return now() - start
}

func (t *timers) cancelMore() int64 {
	start := now()
	for i := uint64(0); i < more; i++ {
		t.nodes[t.pending+i].Stop()
	}
	return now() - start
}

func timerInsert(pending uint64) run {
	t := newTimers(pending)
	return func(uint64) int64 {
		took := t.insertMore()
		t.cancelMore()
		return took
	}
}

func timerCancel(pending uint64) run {
	t := newTimers(pending)
	return func(uint64) int64 {
		t.insertMore()
		return t.cancelMore()
	}
}

func timerRearm(pending uint64) run {
	t := newTimers(pending)
	return func(uint64) int64 {
		start := now()
		t.shift += 7919
		for i := uint64(0); i < rearms; i++ {
			t.nodes[t.which[i]].Reset(t.when[(i+t.shift)%rearms])
		}
		return now() - start
	}
}

// -------------------------------------------------------------------------------------------- echo

func connection(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		if _, err = c.Write(buf[:n]); err != nil {
			break
		}
	}
	c.Close()
}

func serve(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", listener.Addr())
	for {
		if c, err := listener.Accept(); err == nil {
			go connection(c)
		}
	}
}

func all() []workload {
	rows := []workload{
		{"spawn/heap", 0, 0, false, spawn},
		{"hop/parked", 0, 100, true, hopsParked},
		{"oneshot/completed", 0, 1000, true, oneshotCompleted},
	}
	for _, n := range []uint64{1, 1000, 100000} {
		rows = append(rows, workload{fmt.Sprint("resume/", n), n, 0, false, resumeAt(1)},
			workload{fmt.Sprint("resume-depth16/", n), n, 0, false, resumeAt(16)})
	}
	for _, n := range []uint64{1000, 100000, 1000000} {
		rows = append(rows, workload{fmt.Sprint("timer-insert/", n), n, more, false, timerInsert},
			workload{fmt.Sprint("timer-cancel/", n), n, more, false, timerCancel},
			workload{fmt.Sprint("timer-rearm/", n), n, rearms, false, timerRearm})
	}
	return rows
}

func main() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400)
	arguments, rows := os.Args[1:], all()
	number := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	if len(arguments) == 2 && arguments[0] == "echo" {
		serve(arguments[1])
	}
	for i := range rows {
		switch {
		case len(arguments) == 1 && arguments[0] == "--list":
			fmt.Println(rows[i].name)
		case len(arguments) == 2 && arguments[0] == rows[i].name:
			slices(&rows[i], number(arguments[1]))
		case len(arguments) == 3 && arguments[0] == "--once" && arguments[1] == rows[i].name:
			rows[i].make(rows[i].size)(number(arguments[2]))
		}
	}
}
