/* SPDX-License-Identifier: MIT
 * asio (without Boost): one io_context, without locks where one thread uses it; plain handlers, which it allocates
 * from its own cache.
 * resume: post. spawn: post, then co_spawn of a C++20 coroutine. hop: post from the other thread. timers: steady_timer,
 * of which a cancel and a re-arm leave the aborted handler to the next poll. echo: async_read_some and async_write.
 * c++ -std=c++20 -O2 -pthread -o asio asio.cpp && ./asio --list; ./asio echo PORT */
#include "clock.h"
#include "bench.h"
#include "echo.h"
#include "hop.h"
#include "peer.h"
#include <asio.hpp>
#include <memory>
#include <vector>

/* A timerfd counts the kernel's time; without it asio asks the clock before each wait, which is ours. That also spares
 * it a system call. */
extern "C" int timerfd_create(int, int) noexcept {
    errno = ENOSYS;
    return -1;
}

/* Runs what is ready, and never ends for want of work. */
struct loop {
    asio::io_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work;
    explicit loop(int hint) : context(hint), work(asio::make_work_guard(context)) {}
};

/* ------------------------------------------------------------------------------------------- resume */

static uint64_t resumes_left;

struct resume : loop {
    struct task {
        resume *r;
        uint64_t count;
        void operator()() { count++; r->step(*this); }
    };
    resume() : loop(ASIO_CONCURRENCY_HINT_UNSAFE) {}
    void step(task t) {
        if (--resumes_left == 0) context.stop();
        asio::post(context, t);
    }
};

static void *resume_make(unsigned tasks) {
    auto *r = new resume;
    for (unsigned i = 0; i < tasks; i++) asio::post(r->context, resume::task{ r, 0 });
    return r;
}

static int64_t resume_run(void *state, uint64_t polls) {
    auto *r = static_cast<resume *>(state);
    int64_t start = bench_now();
    resumes_left = polls;
    r->context.restart();
    r->context.run();
    return bench_now() - start;
}

static void resume_drop(void *state) { delete static_cast<resume *>(state); }

/* -------------------------------------------------------------------------------------------- spawn */

enum { CHAINS = 64 };
static uint64_t spawns_left;

static asio::awaitable<void> successor(asio::io_context *context, uint64_t number);

/* Posted: co_spawn alone begins it at once, on the stack of its parent. */
static void spawn_later(asio::io_context *context, uint64_t number) {
    asio::post(*context, [=] { asio::co_spawn(*context, successor(context, number), asio::detached); });
}

static asio::awaitable<void> successor(asio::io_context *context, uint64_t number) {
    if (spawns_left > 0) {
        spawns_left--;
        spawn_later(context, number + 1);
    }
    co_return;
}

static void *spawn_make(unsigned) { return new asio::io_context(ASIO_CONCURRENCY_HINT_UNSAFE); }

static int64_t spawn_run(void *state, uint64_t tasks) {
    auto *context = static_cast<asio::io_context *>(state);
    int64_t start = bench_now();
    spawns_left = tasks;
    for (int i = 0; i < CHAINS; i++) spawn_later(context, 0);
    context->restart();
    context->run();
    return bench_now() - start;
}

static void spawn_drop(void *state) { delete static_cast<asio::io_context *>(state); }

/* --------------------------------------------------------------------------------------------- hops */

struct hops : loop {
    hop h{};
    bool spins;
    explicit hops(bool spinning) : loop(1), spins(spinning) {}
};

static void hop_wake(hop *h) {
    auto *s = static_cast<hops *>(h->side);
    asio::post(s->context, [h] { hop_came(h); });
}

static void hops_receive(hop *h) {
    auto *s = static_cast<hops *>(h->side);
    hop_arm(h);
    while (!hop_over(h)) {
        if (s->spins) s->context.poll_one();
        else s->context.run_one();
    }
}

static void *hops_make(unsigned spinning) {
    auto *s = new hops(spinning);
    s->h.side = s;
    s->h.wake = hop_wake;
    s->h.pause_ns = spinning ? HOP_SPINNING_NS : HOP_PARKED_NS;
    return s;
}
static int64_t hops_run(void *state, uint64_t rounds) {
    return hop_run(&static_cast<hops *>(state)->h, rounds, hops_receive);
}
static void hops_drop(void *state) { delete static_cast<hops *>(state); }

/* ------------------------------------------------------------------------------------------- timers */

struct timer_side {
    loop *l;
    std::vector<asio::steady_timer> *nodes;
    uint64_t fired;
};

static inline asio::steady_timer::time_point time_of(int64_t ns) {
    return asio::steady_timer::time_point(std::chrono::nanoseconds(ns));
}
static inline void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t) {
    auto &timer = (*s->nodes)[index];
    timer.expires_at(time_of(deadline));
    timer.async_wait([s](const asio::error_code &error) { s->fired += !error; });
}
#define side_rearm side_arm
static inline void side_open(timer_side *s, unsigned nodes, int64_t now) {
    clock_ns = now;
    s->l = new loop(ASIO_CONCURRENCY_HINT_UNSAFE);
    s->nodes = new std::vector<asio::steady_timer>;
    s->nodes->reserve(nodes);
    for (unsigned i = 0; i < nodes; i++) s->nodes->emplace_back(s->l->context);
}
static inline void side_cancel(timer_side *s, unsigned index) { (*s->nodes)[index].cancel(); }
static inline void side_settle(timer_side *s) { s->l->context.poll(); }
static inline void side_turn(timer_side *s, int64_t now) {
    clock_ns = now;
    s->l->context.poll();
}
static inline uint64_t side_fired(timer_side *s) { return s->fired; }
static inline void side_close(timer_side *s) {
    delete s->nodes;
    delete s->l;
}

#include "timers.h"

/* --------------------------------------------------------------------------------------------- echo */

using asio::ip::tcp;

struct session {
    tcp::socket socket;
    char buf[4096];
    explicit session(tcp::socket s) : socket(std::move(s)) {}
    void read() {
        socket.async_read_some(asio::buffer(buf), [this](const asio::error_code &error, size_t n) {
            if (error) delete this;
            else write(n);
        });
    }
    void write(size_t n) {
        asio::async_write(socket, asio::buffer(buf, n), [this](const asio::error_code &error, size_t) {
            if (error) delete this;
            else read();
        });
    }
};

static void accept_next(tcp::acceptor *listener) {
    listener->async_accept([listener](const asio::error_code &error, tcp::socket socket) {
        if (!error) {
            socket.set_option(tcp::no_delay(true));
            (new session(std::move(socket)))->read();
        }
        accept_next(listener);
    });
}

static int serve(int port) {
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    tcp::acceptor listener(context);
    echo_raise_limit();
    listener.assign(tcp::v4(), echo_listen(port));
    accept_next(&listener);
    context.run();
    return 0;
}

PEER_MAIN({ "spawn/heap", 0, 0, spawn_make, spawn_run, spawn_drop, 0 },)
