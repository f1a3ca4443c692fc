/* SPDX-License-Identifier: MIT */
/* cc -O2 -o http examples/http.c && ./http [OPTIONS] [ADDRESS]
 * An HTTP/1.1 server: GET / is a line of text, POST /echo gives the body back while it arrives. A request is parsed
 * in place; replies gather in `out` until nothing more can be answered without waiting. What is not plainly right by
 * RFC 9112 is refused and its connection closed, so that no proxy before it sees other requests: 400, 408 (too slow),
 * 413 (body), 414 (line: the RFC demands it), 431 (head), 501 (chunked). SIGINT and SIGTERM cancel: a connection that
 * waits ends, one at work is shielded and ends behind its last answer; after --grace, or a second signal, all end. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdio.h>
#include <strings.h>
#include <sys/resource.h>

enum { LINE_BYTES = 4096, HEAD_BYTES = 8192, IN_BYTES = 16384, BATCH_BYTES = 4096, OUT_BYTES = 24576 };
static struct { long long idle, grace, limit, body; } option = { 60, 10, 0, 1 << 20 };
static int stopping;
static const char OK[] = "200 OK", BAD[] = "400 Bad Request", MISSING[] = "404 Not Found",
    METHOD[] = "405 Method Not Allowed", SLOW[] = "408 Request Timeout", BODY[] = "413 Content Too Large",
    LINE[] = "414 URI Too Long", HEAD[] = "431 Request Header Fields Too Large", CODING[] = "501 Not Implemented";

typedef struct request {
    const char *method, *path;
    const char *status;         /* why it is refused, or of a whole one; NULL: more of its head must come */
    long long length;           /* of the body, as far as it was not passed on */
    size_t at;                  /* parsed so far */
    int minor, hosts, lengths, close, keep, expects, whole, echo;
} request;

typedef struct peer {
    int fd, keep;               /* keep: it may send another request */
    size_t have, used;          /* bytes in `in`, in `out` */
    exec_io io;
    exec_timeout_op limit;
    char in[IN_BYTES], out[OUT_BYTES];
} peer;

/* What parses gives the status of a refusal, or NULL. */
static const char *parse_number(const char *s, long long *number) {
    size_t digits = strspn(s, "0123456789");
    *number = !digits || s[digits] ? -1 : digits < 19 ? atoll(s) : LLONG_MAX;
    return *number < 0 ? BAD : NULL;
}

static int is_token(const char *s) {
    return *s && !s[strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

static const char *parse_first(request *r, char *line) {
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || strncmp(version, " HTTP/1.", 8) || !strspn(version + 8, "0123456789") || version[9]) return BAD;
    r->minor = version[8] != '0';
    *target++ = *version = 0;
    target[strcspn(target, "?")] = 0;
    r->method = line;
    r->path = strncasecmp(target, "http://", 7) ? target : *(target += 7 + strcspn(target + 7, "/")) ? target : "/";
    return is_token(line) && *r->path == '/' ? NULL : BAD;
}

static const char *parse_field(request *r, char *line) {
    char *value = strchr(line, ':'), *end = line + strlen(line);
    if (value) *value++ = 0;
    if (!value || !is_token(line)) return BAD;      /* also a folded line, and a space before the colon */
    value += strspn(value, " \t");
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) *--end = 0;
    if (strcasecmp(line, "Host") == 0) return r->hosts++ || value[strcspn(value, " \t,/")] ? BAD : NULL;
    if (strcasecmp(line, "Content-Length") == 0) return r->lengths++ ? BAD : parse_number(value, &r->length);
    if (strcasecmp(line, "Transfer-Encoding") == 0) return CODING;
    if (strcasecmp(line, "Expect") == 0) r->expects = strcasecmp(value, "100-continue") == 0;
    if (strcasecmp(line, "Connection") == 0)
        for (char *left, *word = strtok_r(value, ", \t", &left); word; word = strtok_r(NULL, ", \t", &left))
            r->close |= strcasecmp(word, "close") == 0, r->keep |= strcasecmp(word, "keep-alive") == 0;
    return NULL;
}

static const char *parse_last(request *r) {
    int echo = strcmp(r->path, "/echo") == 0, get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    if (r->minor && !r->hosts) return BAD;
    if (r->length > option.body) return BODY;
    r->whole = 1;
    r->expects &= r->minor && r->length;
    if (!echo && strcmp(r->path, "/")) return MISSING;
    return (echo ? strcmp(r->method, "POST") == 0 : get) ? OK : METHOD;
}

/* Takes the lines that are there, up to the empty one. */
static const char *parse_head(request *r, char *in, size_t have) {
    while (!r->status) {
        char *line = in + r->at, *end = (char *)memchr(line, '\n', have - r->at), *c = line;
        size_t upto = end ? (size_t)(end - in) : have;
        if (!r->method && upto - r->at > LINE_BYTES) return LINE;
        if (upto >= HEAD_BYTES) return HEAD;
        if (!end) return NULL;
        while ((unsigned char)*c >= ' ' ? *c != 127 : *c == '\t') c++;
        if (*c != '\r' || c + 1 != end) return BAD;         /* a control character, or an end without CR */
        *c = 0;
        r->at = upto + 1;
        if (*line) r->status = r->method ? parse_field(r, line) : parse_first(r, line);
        else if (r->method) r->status = parse_last(r);      /* an empty line before a request is nothing */
    }
    return r->status;
}

static exec_future *flush(peer *p) {
    size_t n = p->used;
    p->used = 0;
    return exec_timeout(&p->limit, exec_write_all(&p->io, p->fd, p->out, n), EXEC_SEC(option.idle));
}

/* Is anything here behind the first `end` bytes? */
static int more(const peer *p, size_t end) {
    return p->have > end || (p->have == end && recv(p->fd, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
}

/* Has the request come, and as much of its body as there is room for? Or is it refused? */
static int arrived(request *r, peer *p) {
    if (!r->status && !(r->status = parse_head(r, p->in, p->have))) return 0;
    if (r->whole && r->expects) p->used += (size_t)sprintf(p->out + p->used, "HTTP/1.1 100 Continue\r\n\r\n");
    r->expects = 0;
    return !r->whole || p->have == IN_BYTES || (long long)(p->have - r->at) >= r->length;
}

/* Puts the reply, but for the body of an echo. */
static void reply(request *r, peer *p) {
    char date[32], text[64];
    int n = sprintf(text, "%s\n", r->status == OK ? "Hello from exec.h" : r->status);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&(time_t){ time(NULL) }));
    if (!r->whole) r->length = 0;                   /* what follows a refusal is no body, and no request */
    r->echo = r->status == OK && r->path[1];
    p->keep = r->whole && !r->close && (r->minor || r->keep) && (!stopping || more(p, r->at + (size_t)r->length));
    p->used += (size_t)sprintf(p->out + p->used, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: text/plain\r\n"
        "Content-Length: %lld\r\n%s%s\r\n%s", r->status, date, r->echo ? r->length : n,
        r->status != METHOD ? "" : r->path[1] ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n",
        !p->keep ? "Connection: close\r\n" : r->minor ? "" : "Connection: keep-alive\r\n",
        r->echo || (r->method && strcmp(r->method, "HEAD") == 0) ? "" : text);
}

/* Passes the body on, as far as it has come: an echo gives it back, anything else forgets it. */
static void pass(request *r, peer *p) {
    size_t n = r->length < (long long)p->have ? (size_t)r->length : p->have;
    if (r->echo) memcpy(p->out + p->used, p->in, n), p->used += n;
    memmove(p->in, p->in + n, p->have -= n);
    r->length -= (long long)n;
}

typedef struct { EXEC_FRAME; peer *p; request r; int64_t by; } exchange;
EXEC_ASYNC(exchange) {
    peer *const p = self->p; request *const r = &self->r;
    EXEC_BEGIN;
    self->by = exec_deadline(cx->exec, EXEC_SEC(option.idle));
    while (!arrived(r, p)) {
        EXEC_TRY(flush(p));                         /* it may wait for our answer before it sends on */
        EXEC_AWAIT(exec_timeout_at(&p->limit, exec_read(&p->io, p->fd, p->in + p->have, IN_BYTES - p->have), self->by));
        if (p->limit.expired) r->status = SLOW, r->whole = 0;
        else if (EXEC_RESULT(&p->limit) > 0) p->have += (size_t)EXEC_RESULT(&p->limit);
        else EXEC_RETURN(-ENODATA);                 /* it left */
    }
    reply(r, p);
    memmove(p->in, p->in + r->at, p->have -= r->at);
    for (pass(r, p); r->length > 0; pass(r, p)) {
        EXEC_TRY(flush(p));
        p->have = r->length < IN_BYTES ? (size_t)r->length : IN_BYTES;
        EXEC_TRY(exec_timeout(&p->limit, exec_read_exact(&p->io, p->fd, p->in, p->have), EXEC_SEC(option.idle)));
    }
    if (!p->keep || !p->have || p->used > BATCH_BYTES) EXEC_TRY(flush(p));
    EXEC_FINALLY;
    if (EXEC_RESULT(self) < 0) p->keep = 0;
    EXEC_END;
}

typedef struct { EXEC_FRAME; exchange work; int reads; peer p; } connection;
EXEC_ASYNC(connection, p.in) {
    peer *const p = &self->p;
    EXEC_BEGIN;
    for (p->keep = 1; p->keep; ) {
        EXEC_AWAIT(exec_timeout(&p->limit, exec_read(&p->io, p->fd, p->in, IN_BYTES), EXEC_SEC(option.idle)));
        if (EXEC_RESULT(&p->limit) <= 0) break;     /* it left, or has been idle for too long */
        p->have = (size_t)EXEC_RESULT(&p->limit);
        while (p->keep && p->have) EXEC_SHIELD(EXEC_CALL(&self->work, exchange, .p = p));
    }
    EXEC_FINALLY;
    while (p->keep && more(p, 0)) EXEC_AWAIT(EXEC_CALL(&self->work, exchange, .p = p));
    if (!p->keep && shutdown(p->fd, SHUT_WR) == 0)  /* a close with input unread would take the reply back */
        do EXEC_AWAIT(exec_timeout(&p->limit, exec_read(&p->io, p->fd, p->in, IN_BYTES), EXEC_SEC(1)));
        while (EXEC_RESULT(&p->limit) > 0 && ++self->reads < 64);
    exec_close_fd(cx->exec, p->fd);
    EXEC_END;
}

typedef struct { EXEC_FRAME; int listener; exec_group crew; exec_io io; exec_timeout_op now; } server;
EXEC_ASYNC(server) {
    EXEC_BEGIN;
    self->crew.collect = 1;                         /* one that fails is no reason to end the others */
    for (;;) {
        EXEC_TRY(exec_group_room(&self->crew));
        EXEC_TRY(exec_accept(&self->io, self->listener));
        if (EXEC_GROUP_SPAWN(&self->crew, connection, .p.fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));       /* no memory: refuse this one */
    }
    EXEC_FINALLY;                                   /* the stop: who has connected by now is still served */
    for (stopping = 1;;) {
        EXEC_AWAIT(exec_timeout(&self->now, exec_accept(&self->io, self->listener), 0));
        if (EXEC_RESULT(&self->now) < 0) break;
        if (EXEC_GROUP_SPAWN(&self->crew, connection, .p.fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));
    }
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;                                       /* cancels the crew and waits for it */
}

typedef struct { EXEC_FRAME; exec_handle *server; exec_handle_op over; exec_signal_op sig[2]; exec_select_op op; } stop;
EXEC_ASYNC(stop) {
    EXEC_BEGIN;
    do {
        EXEC_TRY(exec_select(&self->op, exec_handle_join(&self->over, self->server),
                             exec_signal(&self->sig[0], SIGINT), exec_signal(&self->sig[1], SIGTERM)));
        if (exec_handle_abort(self->server) < 0) exec_handle_kill(self->server);   /* the second signal */
    } while (EXEC_RESULT(&self->op) != 0);
    EXEC_END;
}

static int usage(FILE *to) {
    return fputs("usage: http [--idle SECONDS] [--grace SECONDS] [--limit CONNECTIONS] [--body BYTES] [ADDRESS]\n"
        "    SECONDS: 1 or more; defaults: 60, 10, 0 (no limit), 1048576, 127.0.0.1:8080\n", to), to == stderr ? 2 : 0;
}

int main(int argc, char **argv) {
    const char *address = "127.0.0.1:8080"; char text[EXEC_ADDRESS_BYTES]; struct rlimit files; int fd, status;
    exec ex; exec_net net; exec_handle handle; exec_opts opts = { .handle = &handle };
    for (int i = 1; i < argc; i++) {
        long long *value = !strcmp(argv[i], "--idle") ? &option.idle : !strcmp(argv[i], "--grace") ? &option.grace
            : !strcmp(argv[i], "--limit") ? &option.limit : !strcmp(argv[i], "--body") ? &option.body : NULL;
        if (value && i + 1 < argc && !parse_number(argv[i + 1], value) && *value < 1LL << 32) i++;
        else if (*argv[i] != '-' && i + 1 == argc) address = argv[i];
        else return usage(argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) ? stdout : stderr);
    }
    if (!option.idle || !option.grace) return usage(stderr);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max, (void)setrlimit(RLIMIT_NOFILE, &files);
    exec_config config = { .cleanup_ns = EXEC_SEC(option.grace) / 2 };   /* kills what is cancelled, after 1 to 2 */
    if ((status = exec_init(&ex, &config)) == 0 && (status = exec_net_attach(&net, &ex, NULL)) == 0
        && (status = fd = exec_listen(&ex, address, NULL)) >= 0
        && (status = exec_local_address(fd, text, sizeof text)) == 0
        && (status = EXEC_SPAWN(&ex, &opts, server, .listener = fd, .crew.limit = (unsigned)option.limit)) == 0
        && (status = EXEC_SPAWN(&ex, NULL, stop, .server = &handle)) == 0
        && (status = exec_turn(&ex)) >= 0) {                    /* from here on signals stop it */
        printf("listening on %s\n", text), fflush(stdout);
        if ((status = exec_run(&ex)) == 0 && handle.state != EXEC_STATE_CANCELLED) status = (int)handle.result;
        exec_destroy(&ex, EXEC_SEC(1));
    }
    return status < 0 ? fprintf(stderr, "http: %s: %s\n", address, exec_strerror(status)), 1 : 0;
}
