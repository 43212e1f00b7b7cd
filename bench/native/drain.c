/*
 * Reads many event streams at once, checks every event and is never the limit of what it measures: one epoll loop, one
 * shared read buffer, parsing in place. Only what a read cuts in two is copied.
 *
 *   drain SOCKET CLIENTS LAST --door native|docker|grpc|redis|nats|raw [options]
 *
 * Opens CLIENTS connections to the unix socket SOCKET, or to 127.0.0.1 for `tcp:PORT`. A client is done when it has seen the
 * event whose attribute `seq` is LAST. Events carry `seq=<number>` or `seq=<number> <time> ...`: its number, and the moment at
 * which it was to be sent, CLOCK_REALTIME in nanoseconds. On every door each number must be its predecessor plus --step.
 *   native  GET of --path over HTTP/1.1, JSON lines in a chunked body; the line's own `"seq":N` is checked as well
 *   docker  the same over Docker's `/events` (--path, by default unversioned and live)
 *   grpc    containers.ContainerService/Events over HTTP/2 with prior knowledge. --since N asks for events since second N;
 *           --window is the flow control window (65535), renewed when half of it has been used
 *   redis   SUBSCRIBE of --path (`events`); payloads are JSON lines
 *   nats    SUB of --path (`events`); payloads are JSON lines
 *   raw     the server writes at once and nothing is parsed: an event is --event-bytes (300) bytes
 * Options:
 *   --path P             `{i}` in it stands for the number of the client, from 0 on, with 12 digits
 *   --step N             distance of the numbers that a client gets (1); it is done with the last one up to LAST
 *   --warmup N           events up to N are checked but not measured (0)
 *   --progress FILE      a shared page: its first uint64 is the number that the slowest client has reached
 *   --stall K            the last K clients stop reading as soon as every stream is accepted
 *   --slow K             as many before them read only --slow-rate bytes per second (100000). Both are not waited for.
 *   --latency            from the moment in the event, else from the arguments (`"args":"<digits>"`, `container start: <digits>`)
 *   --window-seconds W   adds "windows", the p99 of each W seconds from the first event on (null without events)
 *   --resume             native: a client that is cut off comes back, until the time-out, with the cursor behind its last event.
 *                        The log's numbers must follow as ever; those of senders, which may lose some, must only grow.
 *   --timeout S          since the start (60)
 *   --ready-fd[=FD]      where to say `ready`, when every stream is accepted, and `warm`, when every client has passed the
 *                        warm-up (stdout). A stream that is refused before `ready`: {"error":"..."} and exit code 1.
 *
 * At the end (all clients done or ended, time-out, SIGTERM, SIGINT) prints one JSON line:
 *   {"clients","done","bad","events","measuredEvents","other","bytes","payloadBytes","firstToLastSeconds","cpu",
 *    "minEvents","maxEvents","stalled","slow","slowEvents","slowBad","resumed","abnormal","ends"}
 * `clients` and everything else is of those that are waited for; `bad` discontinuities; `events` with the attribute, `other`
 * lines or messages without it (gaps, heartbeats); `measuredEvents` and `firstToLastSeconds` since `warm` (without a warm-up:
 * the first event); `bytes` read from the sockets, `payloadBytes` of these the events alone, without framing; `abnormal` streams
 * that ended before they were done, `ends` says how.
 * Exit: 0 only if every client is done and nothing was bad; 1 otherwise; 2 usage.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024, /* what has been read is parsed before it leaves the cache */
    HEAD_LIMIT = 64 * 1024,
    EPOCH_CHARS = 8,
    RESUME_TICK_MS = 10,
    UNIT_LIMIT = 4 * 1024 * 1024, /* one line or message; beyond it the stream is garbage */
    MAX_EPOLL = 256,
    PROGRESS_NS = 500000,
    SLOW_TICK_MS = 10,
    H2_DEFAULT_WINDOW = 65535, /* also the connection's window, which SETTINGS cannot change */
    COMPARED_BYTES = 16,       /* of a number that is expected, and what follows it in every event */
    CONTROL_BYTES = 64,        /* of a frame that is not DATA: enough for PING and for the start of HEADERS */
};

enum door { DOOR_NATIVE, DOOR_DOCKER, DOOR_GRPC, DOOR_REDIS, DOOR_NATS, DOOR_RAW, DOORS };
static const char *const door_names[DOORS] = { "native", "docker", "grpc", "redis", "nats", "raw" };

/* Who is waited for, and who only has to be there. */
enum role { ROLE_NORMAL, ROLE_SLOW, ROLE_STALLED };

/* How a stream can end before its client is done. */
enum end { END_EOF, END_IO, END_PROTOCOL, END_STREAM, END_RST, END_GOAWAY, END_KINDS };
static const char *const end_names[END_KINDS] = { "eof", "io", "protocol", "endOfStream", "rstStream", "goaway" };

enum http_phase { PHASE_HEAD, PHASE_SIZE, PHASE_EXTENSION, PHASE_SIZE_LF, PHASE_DATA, PHASE_DATA_CR, PHASE_DATA_LF };

struct sequence {
    bool started;
    uint64_t previous;
};

/*
 * A number that is expected next, as it would be written: comparing is several times cheaper than parsing, and nearly every
 * event is the expected one.
 */
struct expected {
    char text[24]; /* at least COMPARED_BYTES */
    uint8_t bytes;
};

struct client {
    int fd;
    bool accepted, done, ended, warm;
    enum role role;
    struct sequence log, annotation;
    uint64_t events, bad, other, raw_bytes;

    /* The start of a line, message or response head whose rest has not arrived. */
    char *carry;
    size_t carry_bytes, carry_size;
    uint64_t latest; /* number of its last event */

    /* native */
    enum http_phase phase;
    bool size_digits;
    uint64_t chunk_left;
    struct expected log_text, attribute_text;
    char epoch[EPOCH_CHARS + 1]; /* of its last event's cursor, with --resume */
    bool waits;                  /* to come back */
    size_t seq_at, args_at, cursor_at; /* where the last line had them: the next line nearly always has them there too */

    /* grpc */
    uint8_t header[9];
    size_t header_bytes;
    uint32_t frame_length, frame_left, stream;
    uint8_t frame_type, frame_flags, pad;
    bool pad_unread;
    uint8_t control[CONTROL_BYTES];
    size_t control_bytes;
    uint32_t stream_used, connection_used; /* of the windows, since the last WINDOW_UPDATE */
};

static struct {
    enum door door;
    uint64_t last;
    const char *path;
    int64_t since;
    uint32_t window;
    double timeout_s, window_s;
    int ready_fd;
    bool latency, resume;
    uint64_t step, warmup, event_bytes, stall, slow, slow_rate;
} options = { .window = H2_DEFAULT_WINDOW, .timeout_s = 60, .ready_fd = STDOUT_FILENO, .step = 1, .event_bytes = 300, .slow_rate = 100000 };

static struct client *clients;
static size_t client_count, normal_count, accepted_count, done_count, end_count, warm_count;
/* What each of the normal clients has reached: apart from them, since all of it is looked at again and again. */
static uint64_t *reached;
static volatile uint64_t *progress;
static int64_t progress_ns;
static size_t ends[END_KINDS];
static size_t waiting_count;
static uint64_t resumed_count;
static uint64_t bytes_read, payload_bytes, event_count, measured_from;
static int epoll_fd;
/* Taken once after each read: the moment at which everything in it was seen. */
static int64_t read_ns, read_realtime_ns;
static int64_t first_event_ns, last_event_ns, last_done_ns, warm_ns;
static volatile sig_atomic_t interrupted;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            *p = '\'';
    printf("{\"error\":\"%s\"}\n", text);
    exit(1);
}

static void *must(void *allocated)
{
    if (!allocated)
        fail("out of memory");
    return allocated;
}

/* ---- latency: a histogram whose buckets are 1/64 of their value wide (an error below 1 %) ---- */

enum { SUB_BITS = 6, SUB = 1 << SUB_BITS, BUCKETS = (64 - SUB_BITS + 1) * SUB };

struct histogram {
    uint64_t total, buckets[BUCKETS];
};
static struct histogram overall, window_now;
static double *window_p99; /* -1: no event in that window */
static size_t window_count, window_size;
static int64_t window_end_ns;

static size_t bucket_of(uint64_t value)
{
    if (value < SUB)
        return value;
    int shift = 63 - __builtin_clzll(value) - SUB_BITS;
    return (size_t)(shift + 1) * SUB + ((value >> shift) & (SUB - 1));
}

static double bucket_middle(size_t bucket)
{
    if (bucket < SUB)
        return (double)bucket;
    int shift = (int)(bucket / SUB) - 1;
    return ((double)(SUB + bucket % SUB) + 0.5) * (double)(UINT64_C(1) << shift);
}

static double percentile_us(const struct histogram *h, double p)
{
    uint64_t rank = (uint64_t)(p * (double)h->total), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > rank || (seen == h->total && seen))
            return bucket_middle(i) / 1000;
    }
    return -1;
}

static void close_window(void)
{
    if (window_count == window_size) {
        window_size = window_size ? 2 * window_size : 64;
        window_p99 = must(realloc(window_p99, window_size * sizeof *window_p99));
    }
    window_p99[window_count++] = percentile_us(&window_now, 0.99);
    memset(&window_now, 0, sizeof window_now);
}

static void record_latency(uint64_t sent_ns)
{
    int64_t ns = read_realtime_ns - (int64_t)sent_ns;
    size_t bucket = bucket_of(ns < 0 ? 0 : (uint64_t)ns);
    overall.total++;
    overall.buckets[bucket]++;
    if (options.window_s <= 0)
        return;
    int64_t span = (int64_t)(options.window_s * 1e9);
    if (!window_end_ns)
        window_end_ns = read_ns + span;
    for (; read_ns >= window_end_ns; window_end_ns += span)
        close_window();
    window_now.total++;
    window_now.buckets[bucket]++;
}

/* ---- one event ---- */

static void check(struct client *c, struct sequence *s, uint64_t value)
{
    bool may_skip = options.resume && s == &c->annotation;
    if (s->started && (may_skip ? value <= s->previous : value != s->previous + options.step))
        c->bad++;
    s->started = true;
    s->previous = value;
}

static void say(const char *word)
{
    if (write(options.ready_fd, word, strlen(word)) < 0)
        fail("cannot write to the ready descriptor: %s", strerror(errno));
}

/* Something arrived: said once a read, not once an event. */
static void note_reached(struct client *c)
{
    reached[c - clients] = c->latest;
    if (!first_event_ns)
        first_event_ns = read_ns;
    last_event_ns = read_ns;
}

static void client_reached(struct client *c, uint64_t value)
{
    c->latest = value;
    if (value + options.step <= (c->warm ? options.last : options.warmup))
        return;
    note_reached(c);
    if (!c->warm) {
        c->warm = true;
        if (++warm_count == normal_count && options.warmup) {
            warm_ns = read_ns;
            measured_from = event_count;
            say("warm\n");
        }
    }
    if (value + options.step <= options.last)
        return;
    /* The connection stays open: closing it now would give the server work while others are still being measured. */
    c->done = true;
    done_count++;
    last_done_ns = read_ns;
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
}

/* An event with its number, and the moment at which it was to be sent, if it says so. */
static void annotated_event(struct client *c, uint64_t value, uint64_t sent, size_t bytes)
{
    c->events++;
    check(c, &c->annotation, value);
    if (c->role != ROLE_NORMAL)
        return;
    event_count++;
    payload_bytes += bytes;
    if (sent && value > options.warmup)
        record_latency(sent);
    client_reached(c, value);
}

static void end_client(struct client *c, enum end how)
{
    if (c->done || c->ended)
        return;
    if (!c->accepted)
        fail("client %zu: the stream ended before it was accepted (%s)", (size_t)(c - clients), end_names[how]);
    if (options.resume && how != END_PROTOCOL) {
        close(c->fd);
        c->fd = -1;
        c->waits = true;
        waiting_count++;
        return;
    }
    c->ended = true;
    if (c->role == ROLE_NORMAL) {
        end_count++;
        ends[how]++;
    }
    close(c->fd); /* also leaves the epoll set */
    c->fd = -1;
}

static void accept_client(struct client *c)
{
    if (c->accepted)
        return;
    c->accepted = true;
    if (++accepted_count < client_count)
        return;
    for (size_t i = normal_count; i < client_count; i++)
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, clients[i].fd, NULL);
    say("ready\n");
    if (!options.warmup)
        say("warm\n");
}

/* Control bytes are so few that the socket has room; a server that does not read at all is given five seconds. */
static bool send_all(struct client *c, const void *data, size_t bytes)
{
    const char *p = data;
    while (bytes) {
        ssize_t n = send(c->fd, p, bytes, MSG_NOSIGNAL);
        if (n >= 0) {
            p += n;
            bytes -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd room = { .fd = c->fd, .events = POLLOUT };
            if (poll(&room, 1, 5000) != 1)
                return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void carry_append(struct client *c, const char *data, size_t bytes)
{
    if (c->carry_bytes + bytes > c->carry_size) {
        c->carry_size = 2 * (c->carry_bytes + bytes);
        c->carry = must(realloc(c->carry, c->carry_size));
    }
    memcpy(c->carry + c->carry_bytes, data, bytes);
    c->carry_bytes += bytes;
}

static void expect(struct expected *e, const char *digits_at, size_t bytes)
{
    e->bytes = 0;
    if (options.step != 1 || bytes == 0 || bytes >= COMPARED_BYTES)
        return;
    memcpy(e->text, digits_at, bytes);
    size_t at = bytes;
    while (at > 0 && e->text[at - 1] == '9')
        e->text[--at] = '0';
    if (at == 0)
        return; /* one digit more: parsed once */
    e->text[at - 1]++;
    e->bytes = (uint8_t)bytes;
}

/* Whether the first `n` of COMPARED_BYTES bytes are the same: a call of memcmp costs more than this. */
static bool is_same(const char *a, const char *b, size_t n)
{
    uint64_t x[2], y[2];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    if (n < 8)
        return (x[0] ^ y[0]) << (64 - 8 * n) == 0;
    return x[0] == y[0] && (n == 8 || (x[1] ^ y[1]) << (128 - 8 * n) == 0);
}

/* Whether exactly the expected number stands at `p`; it is then the one after that. */
static bool as_expected(struct expected *e, const char *p, const char *end)
{
    size_t n = e->bytes;
    if (n == 0 || (size_t)(end - p) < COMPARED_BYTES || !is_same(p, e->text, n) || (unsigned)(p[n] - '0') < 10)
        return false;
    size_t at = n;
    while (at > 0 && e->text[at - 1] == '9')
        e->text[--at] = '0';
    if (at == 0)
        e->bytes = 0;
    else
        e->text[at - 1]++;
    return true;
}

/* The digits at `p`, up to `end`; false if there are none. */
static bool digits(const char *p, const char *end, uint64_t *value)
{
    const char *start = p;
    uint64_t v = 0;
    while (p < end && (unsigned)(*p - '0') < 10)
        v = v * 10 + (unsigned)(*p++ - '0');
    *value = v;
    return p > start;
}

/* ---- native: HTTP/1.1, chunks, JSON lines ---- */

/*
 * The number behind `key`, which includes the opening quotes. A JSON string cannot contain it unescaped, so the first place
 * where the bytes match is the member itself.
 */
static inline __attribute__((always_inline)) bool member(const char *line, const char *end, const char *key, size_t key_bytes, size_t *at, uint64_t *value)
{
    const char *p = line + *at;
    if ((size_t)(end - line) < *at + key_bytes || memcmp(p, key, key_bytes) != 0) {
        p = memmem(line, (size_t)(end - line), key, key_bytes);
        if (!p)
            return false;
        *at = (size_t)(p - line);
    }
    return digits(p + key_bytes, end, value);
}

/* The moment of sending behind the number that ends before `p`. */
static uint64_t moment(const char *p, const char *end)
{
    uint64_t sent;
    return p < end && *p == ' ' && digits(p + 1, end, &sent) ? sent : 0;
}

static size_t span(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && (unsigned)(*p - '0') < 10)
        p++;
    return (size_t)(p - start);
}

/* A line of JSON without its end; `bytes` of it are payload. */
static void json_event(struct client *c, const char *line, const char *end, size_t bytes)
{
    static const char attribute_key[] = "\"seq\":\"", args_key[] = "\"args\":\"";
    uint64_t value, sent = 0;
    const char *number = line + c->seq_at + sizeof attribute_key - 1;
    if (number < end && memcmp(number - (sizeof attribute_key - 1), attribute_key, sizeof attribute_key - 1) == 0 &&
        as_expected(&c->attribute_text, number, end)) {
        value = c->annotation.previous + 1;
    } else {
        if (!member(line, end, attribute_key, sizeof attribute_key - 1, &c->seq_at, &value)) {
            c->other++;
            return;
        }
        number = line + c->seq_at + sizeof attribute_key - 1;
        expect(&c->attribute_text, number, span(number, end));
    }
    if (options.latency) {
        sent = moment(number + span(number, end), end);
        if (!sent)
            member(line, end, args_key, sizeof args_key - 1, &c->args_at, &sent);
    }
    annotated_event(c, value, sent, bytes);
}

static void native_line(struct client *c, const char *line, size_t bytes)
{
    static const char log_key[] = "{\"seq\":";
    const char *end = line + bytes;
    uint64_t value;
    if (options.door == DOOR_NATIVE) {
        const char *number = line + sizeof log_key - 1;
        if (bytes < sizeof log_key || memcmp(line, log_key, sizeof log_key - 1) != 0) {
            c->other++;
            return;
        }
        if (options.resume) {
            static const char cursor_key[] = "\"cursor\":\"";
            uint64_t none;
            member(line, end, cursor_key, sizeof cursor_key - 1, &c->cursor_at, &none);
            if ((size_t)(end - line) >= c->cursor_at + sizeof cursor_key + EPOCH_CHARS)
                memcpy(c->epoch, line + c->cursor_at + sizeof cursor_key - 1, EPOCH_CHARS);
        }
        if (as_expected(&c->log_text, number, end)) {
            c->log.previous++;
        } else if (digits(number, end, &value)) {
            check(c, &c->log, value);
            expect(&c->log_text, number, span(number, end));
        } else {
            c->other++;
            return;
        }
    }
    json_event(c, line, end, bytes + 1);
}

/* Body bytes, chunk framing removed. Lines need not coincide with chunks. */
static void native_body(struct client *c, const char *p, size_t bytes)
{
    const char *end = p + bytes, *lf;
    while (p < end && !c->done && !c->ended && (lf = memchr(p, '\n', (size_t)(end - p)))) {
        if (c->carry_bytes) {
            carry_append(c, p, (size_t)(lf - p));
            native_line(c, c->carry, c->carry_bytes);
            c->carry_bytes = 0;
        } else {
            native_line(c, p, (size_t)(lf - p));
        }
        p = lf + 1;
    }
    if (c->done || c->ended || p == end)
        return;
    carry_append(c, p, (size_t)(end - p));
    if (c->carry_bytes > UNIT_LIMIT)
        end_client(c, END_PROTOCOL);
}

/* Collects the response head; returns how many of the bytes belonged to it. */
static size_t native_head(struct client *c, const char *p, size_t bytes)
{
    size_t before = c->carry_bytes;
    carry_append(c, p, bytes);
    /* From three bytes back: the blank line may itself be cut in two. */
    size_t from = before < 3 ? 0 : before - 3;
    char *blank = memmem(c->carry + from, c->carry_bytes - from, "\r\n\r\n", 4);
    if (!blank) {
        if (c->carry_bytes > HEAD_LIMIT)
            fail("client %zu: no end of the response head in %d bytes", (size_t)(c - clients), HEAD_LIMIT);
        return bytes;
    }
    size_t head = (size_t)(blank + 4 - c->carry);
    blank[2] = 0;
    if (strncmp(c->carry, "HTTP/1.1 200", 12) != 0)
        fail("client %zu: %.*s", (size_t)(c - clients), (int)strcspn(c->carry, "\r"), c->carry);
    const char *coding = strcasestr(c->carry, "\r\ntransfer-encoding:");
    if (!coding || !strcasestr(coding, "chunked"))
        fail("client %zu: the response is not chunked", (size_t)(c - clients));
    c->carry_bytes = 0;
    c->phase = PHASE_SIZE;
    accept_client(c);
    return head - before;
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Nearly always a chunk is one line of 256 to 4095 bytes, and has arrived whole: its size, or 0. */
static size_t whole_chunk(const struct client *c, const char *p, const char *end)
{
    if (c->phase != PHASE_SIZE || c->size_digits || c->carry_bytes || end - p < 8 || p[3] != '\r' || p[4] != '\n')
        return 0;
    int high = hex_digit(p[0]), middle = hex_digit(p[1]), low = hex_digit(p[2]);
    if ((high | middle | low) < 0)
        return 0;
    size_t size = (size_t)(high << 8 | middle << 4 | low), whole = size + 7;
    if (size == 0 || (size_t)(end - p) < whole || p[size + 4] != '\n' || p[size + 5] != '\r' || p[size + 6] != '\n')
        return 0;
    return whole;
}

static void native_input(struct client *c, const char *p, size_t bytes)
{
    const char *end = p + bytes;
    if (c->phase == PHASE_HEAD)
        p += native_head(c, p, bytes);
    while (p < end && !c->done && !c->ended) {
        size_t whole = whole_chunk(c, p, end);
        if (whole) {
            native_line(c, p + 5, whole - 8);
            p += whole;
            continue;
        }
        bool good = true;
        switch (c->phase) {
        case PHASE_HEAD:
            return;
        case PHASE_SIZE: {
            int digit = hex_digit(*p);
            if (digit >= 0) {
                good = c->chunk_left < UINT64_C(1) << 56;
                c->chunk_left = c->chunk_left << 4 | (unsigned)digit;
                c->size_digits = true;
            } else {
                good = c->size_digits && (*p == '\r' || *p == ';' || *p == ' ');
                c->phase = *p == '\r' ? PHASE_SIZE_LF : PHASE_EXTENSION;
            }
            p++;
            break;
        }
        case PHASE_EXTENSION:
            if (*p++ == '\r')
                c->phase = PHASE_SIZE_LF;
            break;
        case PHASE_SIZE_LF:
            good = *p++ == '\n';
            c->size_digits = false;
            c->phase = PHASE_DATA;
            if (good && c->chunk_left == 0) {
                end_client(c, END_STREAM);
                return;
            }
            break;
        case PHASE_DATA: {
            size_t n = (size_t)(end - p);
            if (n > c->chunk_left)
                n = c->chunk_left;
            native_body(c, p, n);
            p += n;
            c->chunk_left -= n;
            if (c->chunk_left == 0)
                c->phase = PHASE_DATA_CR;
            break;
        }
        case PHASE_DATA_CR:
            good = *p++ == '\r';
            c->phase = PHASE_DATA_LF;
            break;
        case PHASE_DATA_LF:
            good = *p++ == '\n';
            c->phase = PHASE_SIZE;
            break;
        }
        if (!good)
            end_client(c, END_PROTOCOL);
    }
}

/* ---- grpc: HTTP/2 frames, length-prefixed messages, protobuf ---- */

enum {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
    FLAG_ACK = 0x1,
    FLAG_END_STREAM = 0x1,
    FLAG_END_HEADERS = 0x4,
    FLAG_PADDED = 0x8,
    FLAG_PRIORITY = 0x20,
    SETTINGS_INITIAL_WINDOW_SIZE = 4,
    HPACK_STATUS_200 = 0x88, /* static table entry 8 */
    PREFIX_BYTES = 5,
};

struct output {
    size_t bytes;
    uint8_t data[1024];
};

static void put(struct output *o, const void *data, size_t bytes)
{
    if (o->bytes + bytes > sizeof o->data)
        fail("the request is too large");
    if (bytes)
        memcpy(o->data + o->bytes, data, bytes);
    o->bytes += bytes;
}

static void put_u32(struct output *o, uint32_t v)
{
    uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    put(o, b, 4);
}

static void put_frame(struct output *o, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t bytes)
{
    uint8_t head[5] = { (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 8), (uint8_t)bytes, type, flags };
    put(o, head, 5);
    put_u32(o, stream);
    put(o, payload, bytes);
}

static void put_window_update(struct output *o, uint32_t stream, uint32_t increment)
{
    struct output payload = { 0 };
    put_u32(&payload, increment);
    put_frame(o, FRAME_WINDOW_UPDATE, 0, stream, payload.data, payload.bytes);
}

/* Literal without indexing and with a new name: no table, no Huffman code, nothing to get wrong. */
static void put_field(struct output *block, const char *name, const char *value)
{
    uint8_t name_head[2] = { 0, (uint8_t)strlen(name) }, value_length = (uint8_t)strlen(value);
    put(block, name_head, 2);
    put(block, name, strlen(name));
    put(block, &value_length, 1);
    put(block, value, strlen(value));
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;
    for (; v > 0x7f; v >>= 7)
        to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

static bool grpc_request(struct client *c)
{
    struct output o = { 0 }, block = { 0 }, settings = { 0 };
    put(&o, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    uint8_t id[2] = { 0, SETTINGS_INITIAL_WINDOW_SIZE };
    put(&settings, id, 2);
    put_u32(&settings, options.window);
    put_frame(&o, FRAME_SETTINGS, 0, 0, settings.data, settings.bytes);
    if (options.window > H2_DEFAULT_WINDOW)
        put_window_update(&o, 0, options.window - H2_DEFAULT_WINDOW);

    put_field(&block, ":method", "POST");
    put_field(&block, ":scheme", "http");
    put_field(&block, ":path", "/containers.ContainerService/Events");
    put_field(&block, ":authority", "localhost");
    put_field(&block, "content-type", "application/grpc");
    put_field(&block, "te", "trailers");
    put_frame(&o, FRAME_HEADERS, FLAG_END_HEADERS, 1, block.data, block.bytes);

    /* EventsRequest{since: Timestamp{seconds}} behind the prefix: flag, length. */
    uint8_t message[PREFIX_BYTES + 16] = { 0 };
    size_t bytes = 0;
    if (options.since) {
        uint8_t *body = message + PREFIX_BYTES;
        size_t seconds = put_varint(body + 3, (uint64_t)options.since);
        body[0] = 1 << 3 | 2;
        body[1] = (uint8_t)(1 + seconds);
        body[2] = 1 << 3 | 0;
        bytes = 3 + seconds;
    }
    message[PREFIX_BYTES - 1] = (uint8_t)bytes;
    put_frame(&o, FRAME_DATA, FLAG_END_STREAM, 1, message, PREFIX_BYTES + bytes);
    return send_all(c, o.data, o.bytes);
}

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
    uint64_t v = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *value = v;
            return true;
        }
    }
    return false;
}

/* One protobuf field: for a length-delimited one `*data` and `*bytes` are its content, others are skipped with 0 bytes. */
static bool field(const uint8_t **p, const uint8_t *end, uint64_t *number, const uint8_t **data, size_t *bytes)
{
    uint64_t tag, v = 0;
    if (!varint(p, end, &tag))
        return false;
    *number = tag >> 3;
    *bytes = 0;
    switch (tag & 7) {
    case 0: return varint(p, end, &v);
    case 1: v = 8; break;
    case 2:
        if (!varint(p, end, &v))
            return false;
        break;
    case 5: v = 4; break;
    default: return false;
    }
    if (v > (uint64_t)(end - *p))
        return false;
    *data = *p;
    if ((tag & 7) == 2)
        *bytes = v;
    *p += v;
    return true;
}

/* Event: opt = 2, annotations = 4, whose entries are key = 1, value = 2. */
static void grpc_message(struct client *c, const uint8_t *p, size_t bytes)
{
    const uint8_t *end = p + bytes, *data = p, *opt = p;
    size_t n, opt_bytes = 0;
    uint64_t number, value = 0, sent = 0;
    bool annotated = false;
    while (p < end) {
        if (!field(&p, end, &number, &data, &n)) {
            end_client(c, END_PROTOCOL);
            return;
        }
        if (number == 2) {
            opt = data;
            opt_bytes = n;
        } else if (number == 4) {
            const uint8_t *entry = data, *entry_end = data + n, *text = data;
            const uint8_t *key = NULL, *content = NULL;
            size_t key_bytes = 0, content_bytes = 0;
            while (entry < entry_end) {
                if (!field(&entry, entry_end, &number, &text, &n)) {
                    end_client(c, END_PROTOCOL);
                    return;
                }
                if (number == 1) {
                    key = text;
                    key_bytes = n;
                } else if (number == 2) {
                    content = text;
                    content_bytes = n;
                }
            }
            if (key_bytes == 3 && content && memcmp(key, "seq", 3) == 0) {
                const char *text_end = (const char *)content + content_bytes, *digit = (const char *)content;
                annotated = digits(digit, text_end, &value);
                while (digit < text_end && *digit >= '0' && *digit <= '9')
                    digit++;
                sent = options.latency ? moment(digit, text_end) : 0;
            }
        }
    }
    if (options.latency && !sent) {
        const char *text = (const char *)opt, *space = memrchr(text, ' ', opt_bytes);
        if (space && space > text && space[-1] == ':')
            digits(space + 1, text + opt_bytes, &sent);
    }
    if (annotated)
        annotated_event(c, value, sent, bytes);
    else
        c->other++;
}

static size_t message_bytes(const char *prefix)
{
    const uint8_t *p = (const uint8_t *)prefix;
    return (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
}

/* DATA bytes, padding removed. Messages need not coincide with frames. */
static void grpc_data(struct client *c, const char *p, size_t bytes)
{
    while (bytes && !c->done && !c->ended) {
        const char *unit = p;
        size_t have = bytes, size = PREFIX_BYTES;
        if (c->carry_bytes) {
            /* First complete the prefix, then what it announces. */
            if (c->carry_bytes >= PREFIX_BYTES)
                size += message_bytes(c->carry);
            size_t n = size - c->carry_bytes < bytes ? size - c->carry_bytes : bytes;
            carry_append(c, p, n);
            p += n;
            bytes -= n;
            unit = c->carry;
            have = c->carry_bytes;
            if (have < PREFIX_BYTES)
                return;
        }
        if (have >= PREFIX_BYTES) {
            size = PREFIX_BYTES + message_bytes(unit);
            if (unit[0] != 0 || size > UNIT_LIMIT) { /* compressed though we did not offer it, or garbage */
                end_client(c, END_PROTOCOL);
                return;
            }
        }
        if (have >= PREFIX_BYTES && have >= size) {
            grpc_message(c, (const uint8_t *)unit + PREFIX_BYTES, size - PREFIX_BYTES);
            if (unit == c->carry) {
                c->carry_bytes = 0;
            } else {
                p += size;
                bytes -= size;
            }
        } else if (unit == p) {
            carry_append(c, p, bytes);
            return;
        }
    }
}

static void frame_begin(struct client *c)
{
    const uint8_t *h = c->header;
    c->frame_length = c->frame_left = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    c->frame_type = h[3];
    c->frame_flags = h[4];
    c->stream = ((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]) & 0x7fffffff;
    c->control_bytes = 0;
    c->pad = 0;
    c->pad_unread = c->frame_type == FRAME_DATA && c->frame_flags & FLAG_PADDED;
}

static void headers_end(struct client *c)
{
    if (c->frame_flags & FLAG_END_STREAM) { /* trailers; as the first HEADERS a refusal */
        end_client(c, END_STREAM);
        return;
    }
    if (c->accepted)
        return;
    size_t at = (c->frame_flags & FLAG_PADDED ? 1 : 0) + (c->frame_flags & FLAG_PRIORITY ? 5 : 0);
    /* Dynamic table size updates may come first: 001 and a number, whose bytes go on while their top bit is set. */
    while (at < c->control_bytes && (c->control[at] & 0xe0) == 0x20) {
        bool longer = c->control[at++] == 0x3f;
        while (longer && at < c->control_bytes)
            longer = c->control[at++] & 0x80;
    }
    if (at >= c->control_bytes || c->control[at] != HPACK_STATUS_200)
        fail("client %zu: the response status is not 200", (size_t)(c - clients));
    accept_client(c);
}

static void frame_end(struct client *c)
{
    struct output o = { 0 };
    uint32_t connection_window = options.window > H2_DEFAULT_WINDOW ? options.window : H2_DEFAULT_WINDOW;
    switch (c->frame_type) {
    case FRAME_DATA:
        if (c->frame_flags & FLAG_END_STREAM) {
            end_client(c, END_STREAM);
            return;
        }
        /* The whole payload counts, padding included. */
        c->stream_used += c->frame_length;
        c->connection_used += c->frame_length;
        if (c->stream_used >= (options.window + 1) / 2) {
            put_window_update(&o, 1, c->stream_used);
            c->stream_used = 0;
        }
        if (c->connection_used >= connection_window / 2) {
            put_window_update(&o, 0, c->connection_used);
            c->connection_used = 0;
        }
        break;
    case FRAME_HEADERS: headers_end(c); return;
    case FRAME_SETTINGS:
        if (!(c->frame_flags & FLAG_ACK))
            put_frame(&o, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
        break;
    case FRAME_PING:
        if (!(c->frame_flags & FLAG_ACK))
            put_frame(&o, FRAME_PING, FLAG_ACK, 0, c->control, 8);
        break;
    case FRAME_RST_STREAM: end_client(c, END_RST); return;
    case FRAME_GOAWAY: end_client(c, END_GOAWAY); return;
    default: break;
    }
    if (o.bytes && !send_all(c, o.data, o.bytes))
        end_client(c, END_IO);
}

static void grpc_input(struct client *c, const char *p, size_t bytes)
{
    const char *end = p + bytes;
    while (!c->done && !c->ended) {
        if (c->header_bytes < sizeof c->header) {
            size_t n = sizeof c->header - c->header_bytes;
            if (n > (size_t)(end - p))
                n = (size_t)(end - p);
            memcpy(c->header + c->header_bytes, p, n);
            c->header_bytes += n;
            p += n;
            if (c->header_bytes < sizeof c->header)
                return;
            frame_begin(c);
        }
        if (c->pad_unread && c->frame_left) {
            if (p == end)
                return;
            c->pad = (uint8_t)*p++;
            c->pad_unread = false;
            if (c->pad > --c->frame_left) {
                end_client(c, END_PROTOCOL);
                return;
            }
        }
        size_t n = c->frame_left;
        if (n > (size_t)(end - p))
            n = (size_t)(end - p);
        if (c->frame_type == FRAME_DATA) {
            if (c->frame_left > c->pad)
                grpc_data(c, p, n < c->frame_left - c->pad ? n : c->frame_left - c->pad);
        } else if (c->control_bytes < CONTROL_BYTES) {
            size_t keep = n < CONTROL_BYTES - c->control_bytes ? n : CONTROL_BYTES - c->control_bytes;
            memcpy(c->control + c->control_bytes, p, keep);
            c->control_bytes += keep;
        }
        p += n;
        c->frame_left -= (uint32_t)n;
        if (c->frame_left)
            return;
        if (!c->done && !c->ended)
            frame_end(c);
        c->header_bytes = 0;
    }
}

/* ---- redis and nats: texts that announce the length of what follows ---- */

enum { UNIT_INVALID = -1, UNIT_INCOMPLETE = 0 };

struct unit {
    const char *payload;
    size_t payload_bytes;
};

static const char *line_end(const char *p, const char *end)
{
    const char *cr = memchr(p, '\r', (size_t)(end - p));
    return cr && cr + 1 < end ? cr : NULL;
}

/* `payload` of `length` bytes and CRLF behind `from`. */
static ssize_t whole_payload(const char *start, const char *from, const char *end, uint64_t length, struct unit *u)
{
    if (length > UNIT_LIMIT)
        return UNIT_INVALID;
    if ((uint64_t)(end - from) < length + 2)
        return UNIT_INCOMPLETE;
    u->payload = from;
    u->payload_bytes = length;
    return from + length + 2 - start;
}

/* RESP: `*3 $7 message $n channel $n payload`, or the same with `subscribe` and a number. */
static ssize_t redis_unit(struct client *c, const char *p, const char *end, struct unit *u)
{
    static char head[256];
    static size_t head_bytes;
    if (!head_bytes)
        head_bytes = (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$", strlen(options.path), options.path);
    if ((size_t)(end - p) < head_bytes)
        return UNIT_INCOMPLETE;
    uint64_t length;
    if (memcmp(p, head, head_bytes) == 0) {
        const char *cr = line_end(p + head_bytes, end);
        if (!cr)
            return UNIT_INCOMPLETE;
        return digits(p + head_bytes, cr, &length) ? whole_payload(p, cr + 2, end, length, u) : UNIT_INVALID;
    }
    if (memcmp(p, "*3\r\n$9\r\nsubscribe\r\n", 19) != 0)
        return UNIT_INVALID;
    const char *colon = memchr(p, ':', (size_t)(end - p)), *cr = colon ? line_end(colon, end) : NULL;
    if (!cr)
        return UNIT_INCOMPLETE;
    accept_client(c);
    return cr + 2 - p;
}

static ssize_t nats_unit(struct client *c, const char *p, const char *end, struct unit *u)
{
    const char *cr = line_end(p, end), *number = cr;
    if (!cr)
        return UNIT_INCOMPLETE;
    if (cr - p > 4 && memcmp(p, "MSG ", 4) == 0) {
        uint64_t length;
        while (number[-1] != ' ')
            number--;
        return digits(number, cr, &length) ? whole_payload(p, cr + 2, end, length, u) : UNIT_INVALID;
    }
    if (cr - p == 4 && memcmp(p, "PONG", 4) == 0)
        accept_client(c);
    else if (cr - p == 4 && memcmp(p, "PING", 4) == 0)
        send_all(c, "PONG\r\n", 6);
    else if (memcmp(p, "INFO", 4) != 0 && memcmp(p, "+OK", 3) != 0)
        return UNIT_INVALID;
    return cr + 2 - p;
}

static void broker_input(struct client *c, const char *p, size_t bytes)
{
    const char *end = p + bytes;
    while (p < end && !c->done && !c->ended) {
        size_t before = c->carry_bytes, more = 0;
        const char *from = p, *to = end;
        if (before) {
            more = (size_t)(end - p) < 4096 ? (size_t)(end - p) : 4096;
            carry_append(c, p, more);
            from = c->carry;
            to = c->carry + c->carry_bytes;
        }
        struct unit u = { 0 };
        ssize_t size = options.door == DOOR_REDIS ? redis_unit(c, from, to, &u) : nats_unit(c, from, to, &u);
        if (size == UNIT_INVALID || c->carry_bytes > UNIT_LIMIT) {
            end_client(c, END_PROTOCOL);
            return;
        }
        if (size == UNIT_INCOMPLETE) {
            if (!before)
                carry_append(c, p, (size_t)(end - p));
            p = before ? p + more : end;
            continue;
        }
        if (u.payload)
            json_event(c, u.payload, u.payload + u.payload_bytes, u.payload_bytes);
        c->carry_bytes = 0;
        p += (size_t)size - before;
    }
}

static bool broker_request(struct client *c)
{
    char *request;
    int n = options.door == DOOR_REDIS ? asprintf(&request, "SUBSCRIBE %s\r\n", options.path)
                                       : asprintf(&request, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s 1\r\nPING\r\n", options.path);
    if (n < 0)
        fail("out of memory");
    bool sent = send_all(c, request, (size_t)n);
    free(request);
    return sent;
}

/* ---- raw: bytes ---- */

static void raw_input(struct client *c, size_t bytes)
{
    c->raw_bytes += bytes;
    uint64_t before = c->events;
    c->events = c->raw_bytes / options.event_bytes;
    if (c->role != ROLE_NORMAL || c->events == before)
        return;
    event_count += c->events - before;
    payload_bytes += (c->events - before) * options.event_bytes;
    client_reached(c, c->events);
}

/* ---- connections ---- */

static bool native_request(struct client *c)
{
    char *request;
    const char *place = strstr(options.path, "{i}");
    int before = place ? (int)(place - options.path) : (int)strlen(options.path);
    char number[24] = "", after[64] = "";
    if (place)
        snprintf(number, sizeof number, "%012zu", (size_t)(c - clients));
    if (c->epoch[0])
        snprintf(after, sizeof after, "&after=%s-%" PRIu64, c->epoch, c->log.previous);
    int n = asprintf(&request, "GET %.*s%s%s%s HTTP/1.1\r\nHost: localhost\r\n\r\n", before, options.path, number,
                     place ? place + 3 : "", after);
    if (n < 0)
        fail("out of memory");
    bool sent = send_all(c, request, (size_t)n);
    free(request);
    return sent;
}

static bool request(struct client *c)
{
    switch (options.door) {
    case DOOR_GRPC: return grpc_request(c);
    case DOOR_REDIS:
    case DOOR_NATS: return broker_request(c);
    case DOOR_RAW: accept_client(c); return true;
    default: return native_request(c);
    }
}

/* Once: the server may not be there yet. */
static void resume_client(struct client *c, const struct sockaddr *address, socklen_t address_bytes)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, address, address_bytes) < 0) {
        if (fd >= 0)
            close(fd);
        return;
    }
    c->fd = fd;
    c->carry_bytes = 0;
    c->phase = PHASE_HEAD;
    c->size_digits = false;
    c->chunk_left = 0;
    c->waits = false;
    waiting_count--;
    resumed_count++;
    struct epoll_event interest = { .events = EPOLLIN, .data.ptr = c };
    if (!request(c) || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &interest) < 0)
        end_client(c, END_IO);
}

static void open_client(struct client *c, const struct sockaddr *address, socklen_t address_bytes, const char *where)
{
    size_t index = (size_t)(c - clients);
    c->role = index < normal_count ? ROLE_NORMAL : index < normal_count + options.slow ? ROLE_SLOW : ROLE_STALLED;
    c->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("client %zu: socket: %s", index, strerror(errno));
    /* connect() waits while the server's backlog is full; the send time-out bounds that too. */
    struct timeval limit = { .tv_sec = (time_t)options.timeout_s + 1 };
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(c->fd, address, address_bytes) < 0)
        fail("client %zu: connect %s: %s", index, where,
             errno == EAGAIN ? "the server does not accept connections" : strerror(errno));
    struct epoll_event interest = { .events = EPOLLIN, .data.ptr = c };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &interest) < 0)
        fail("client %zu: epoll_ctl: %s", index, strerror(errno));
    if (!request(c))
        fail("client %zu: cannot send the request: %s", index, strerror(errno));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void read_client(struct client *c, size_t most)
{
    static char buffer[READ_BYTES];
    ssize_t n = read(c->fd, buffer, most < sizeof buffer ? most : sizeof buffer);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end_client(c, n == 0 ? END_EOF : END_IO);
        return;
    }
    read_ns = clock_ns(CLOCK_MONOTONIC);
    if (options.latency)
        read_realtime_ns = clock_ns(CLOCK_REALTIME);
    if (c->role == ROLE_NORMAL)
        bytes_read += (size_t)n;
    switch (options.door) {
    case DOOR_GRPC: grpc_input(c, buffer, (size_t)n); break;
    case DOOR_REDIS:
    case DOOR_NATS: broker_input(c, buffer, (size_t)n); break;
    case DOOR_RAW: raw_input(c, (size_t)n); break;
    default: native_input(c, buffer, (size_t)n);
    }
    if (c->role == ROLE_NORMAL && c->latest)
        note_reached(c);
}

static void tell_progress(int64_t now_ns)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < normal_count; i++)
        if (reached[i] < least && !clients[i].ended)
            least = reached[i];
    if (least != UINT64_MAX)
        __atomic_store_n(progress, least, __ATOMIC_RELAXED);
    progress_ns = now_ns;
}

static void read_slow(void)
{
    for (size_t i = normal_count; i < normal_count + options.slow; i++)
        if (!clients[i].ended && !clients[i].done)
            read_client(&clients[i], options.slow_rate * SLOW_TICK_MS / 1000 + 1);
}

static void drain(int64_t deadline_ns, const struct sockaddr *address, socklen_t address_bytes)
{
    struct epoll_event events[MAX_EPOLL];
    int64_t slow_ns = 0, resume_ns = 0;
    while (done_count + end_count < normal_count && !interrupted) {
        int64_t now_ns = clock_ns(CLOCK_MONOTONIC), left_ms = (deadline_ns - now_ns) / 1000000;
        if (left_ms <= 0)
            return;
        if (options.slow && accepted_count == client_count && now_ns >= slow_ns) {
            read_slow();
            slow_ns = now_ns + SLOW_TICK_MS * INT64_C(1000000);
        }
        if (waiting_count > 0 && now_ns >= resume_ns) {
            for (size_t i = 0; i < client_count; i++)
                if (clients[i].waits)
                    resume_client(&clients[i], address, address_bytes);
            resume_ns = now_ns + RESUME_TICK_MS * INT64_C(1000000);
        }
        int64_t most_ms = options.slow || waiting_count > 0 ? SLOW_TICK_MS : 1000;
        int n = epoll_wait(epoll_fd, events, MAX_EPOLL, (int)(left_ms > most_ms ? most_ms : left_ms));
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (!c->done && !c->ended)
                read_client(c, READ_BYTES);
        }
        if (progress && (n < MAX_EPOLL / 2 || clock_ns(CLOCK_MONOTONIC) - progress_ns >= PROGRESS_NS))
            tell_progress(clock_ns(CLOCK_MONOTONIC));
    }
    if (progress)
        tell_progress(0);
}

static bool report(void)
{
    uint64_t bad = 0, events = 0, other = 0, least = UINT64_MAX, most = 0, slow_events = 0, slow_bad = 0;
    for (size_t i = normal_count; i < client_count; i++) {
        slow_events += clients[i].events;
        slow_bad += clients[i].bad;
    }
    for (size_t i = 0; i < normal_count; i++) {
        const struct client *c = &clients[i];
        bad += c->bad;
        events += c->events;
        other += c->other;
        least = c->events < least ? c->events : least;
        most = c->events > most ? c->events : most;
    }
    int64_t until = done_count == normal_count ? last_done_ns : last_event_ns;
    if (options.warmup)
        first_event_ns = warm_ns;
    printf("{\"clients\":%zu,\"done\":%zu,\"bad\":%" PRIu64 ",\"events\":%" PRIu64 ",\"other\":%" PRIu64 ",\"bytes\":%" PRIu64,
           normal_count, done_count, bad, events, other, bytes_read);
    printf(",\"measuredEvents\":%" PRIu64 ",\"payloadBytes\":%" PRIu64 ",\"stalled\":%" PRIu64 ",\"slow\":%" PRIu64
           ",\"slowEvents\":%" PRIu64 ",\"slowBad\":%" PRIu64 ",\"resumed\":%" PRIu64,
           event_count - measured_from, payload_bytes, options.stall, options.slow, slow_events, slow_bad, resumed_count);
    printf(",\"firstToLastSeconds\":%.6f,\"cpu\":%.6f,\"minEvents\":%" PRIu64 ",\"maxEvents\":%" PRIu64 ",\"abnormal\":%zu",
           (double)(until - first_event_ns) / 1e9, (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9, least, most, end_count);
    const char *comma = "";
    printf(",\"ends\":{");
    for (int how = 0; how < END_KINDS; how++) {
        if (!ends[how])
            continue;
        printf("%s\"%s\":%zu", comma, end_names[how], ends[how]);
        comma = ",";
    }
    printf("}");
    if (options.latency && overall.total)
        printf(",\"p50us\":%.1f,\"p99us\":%.1f,\"p999us\":%.1f", percentile_us(&overall, 0.5), percentile_us(&overall, 0.99),
               percentile_us(&overall, 0.999));
    else if (options.latency)
        printf(",\"p50us\":null,\"p99us\":null,\"p999us\":null");
    if (options.latency && options.window_s > 0) {
        if (window_now.total)
            close_window();
        printf(",\"windows\":[");
        for (size_t i = 0; i < window_count; i++) {
            printf(i ? "," : "");
            window_p99[i] < 0 ? printf("null") : printf("%.1f", window_p99[i]);
        }
        printf("]");
    }
    printf("}\n");
    return done_count == normal_count && bad == 0;
}

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static _Noreturn void usage(const char *why)
{
    fprintf(stderr,
            "drain: %s\nusage: drain SOCKET CLIENTS LAST --door native|docker|grpc|redis|nats|raw [--path P] [--step N] [--warmup N]\n"
            "             [--progress FILE] [--stall K] [--slow K] [--slow-rate B] [--latency] [--window-seconds W] [--event-bytes B]\n"
            "             [--since SECONDS] [--window BYTES] [--resume] [--timeout S] [--ready-fd[=FD]]\n",
            why);
    exit(2);
}

static uint64_t whole(const char *text, uint64_t most, const char *what)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > most)
        usage(what);
    return value;
}

static double seconds(const char *text, const char *what)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > 0 && value < 1e6))
        usage(what);
    return value;
}

static void map_progress(const char *file)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        usage("--progress: cannot map the file");
    close(fd);
    progress = page;
}

int main(int argc, char **argv)
{
    /* Whoever began this may be ended at any time. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    static const struct option long_options[] = {
        { "door", required_argument, NULL, 'd' },     { "path", required_argument, NULL, 'p' },
        { "since", required_argument, NULL, 's' },    { "window", required_argument, NULL, 'w' },
        { "timeout", required_argument, NULL, 't' },  { "ready-fd", optional_argument, NULL, 'r' },
        { "latency", no_argument, NULL, 'l' },        { "window-seconds", required_argument, NULL, 'W' },
        { "step", required_argument, NULL, 'S' },     { "warmup", required_argument, NULL, 'u' },
        { "progress", required_argument, NULL, 'P' }, { "stall", required_argument, NULL, 'x' },
        { "slow", required_argument, NULL, 'y' },     { "slow-rate", required_argument, NULL, 'z' },
        { "event-bytes", required_argument, NULL, 'b' }, { "resume", no_argument, NULL, 'R' },
        { NULL, 0, NULL, 0 },
    };
    const char *door = NULL;
    int opt;
    while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (opt) {
        case 'd': door = optarg; break;
        case 'p': options.path = optarg; break;
        case 's': options.since = (int64_t)whole(optarg, INT64_MAX, "--since: expected seconds"); break;
        case 'w': options.window = (uint32_t)whole(optarg, INT32_MAX, "--window: expected 1..2147483647"); break;
        case 't': options.timeout_s = seconds(optarg, "--timeout: expected seconds"); break;
        case 'r':
            if (optarg)
                options.ready_fd = (int)whole(optarg, INT32_MAX, "--ready-fd: expected a number");
            break;
        case 'l': options.latency = true; break;
        case 'R': options.resume = true; break;
        case 'S': options.step = whole(optarg, UINT32_MAX, "--step: expected a number"); break;
        case 'u': options.warmup = whole(optarg, UINT64_MAX / 2, "--warmup: expected a number"); break;
        case 'P': map_progress(optarg); break;
        case 'x': options.stall = whole(optarg, 1000000, "--stall: expected a number"); break;
        case 'y': options.slow = whole(optarg, 1000000, "--slow: expected a number"); break;
        case 'z': options.slow_rate = whole(optarg, 1000000000, "--slow-rate: expected bytes"); break;
        case 'b': options.event_bytes = whole(optarg, 65536, "--event-bytes: expected bytes"); break;
        case 'W': options.window_s = seconds(optarg, "--window-seconds: expected seconds"); break;
        default: usage("unknown option");
        }
    }
    if (argc - optind != 3)
        usage("expected SOCKET CLIENTS LAST");
    options.door = DOORS;
    for (int i = 0; door && i < DOORS; i++)
        if (strcmp(door, door_names[i]) == 0)
            options.door = (enum door)i;
    if (options.door == DOORS)
        usage("--door: expected native, docker, grpc, redis, nats or raw");
    if (options.step == 0 || options.event_bytes == 0)
        usage("--step and --event-bytes: expected at least 1");
    if (!options.path)
        options.path = options.door == DOOR_NATIVE ? "/v1/events?since=0" : options.door == DOOR_DOCKER ? "/events" : "events";
    if (options.resume && (options.door != DOOR_NATIVE || options.stall || options.slow || !strchr(options.path, '?')))
        usage("--resume: expected the native door, clients that read, and a path with a query");
    if (options.resume && strncmp(argv[optind], "tcp:", 4) == 0)
        usage("--resume: expected a unix socket");
    if (options.window == 0)
        usage("--window: expected 1..2147483647");
    const char *where = argv[optind];
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in inet = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bool is_inet = strncmp(where, "tcp:", 4) == 0;
    if (is_inet)
        inet.sin_port = htons((uint16_t)whole(where + 4, 65535, "SOCKET: expected tcp:PORT"));
    else if (strlen(where) >= sizeof local.sun_path)
        usage("SOCKET: the path is too long");
    else
        strcpy(local.sun_path, where);
    client_count = whole(argv[optind + 1], 1000000, "CLIENTS: expected a number");
    options.last = whole(argv[optind + 2], UINT64_MAX, "LAST: expected a number");
    if (client_count == 0)
        usage("CLIENTS: expected at least 1");
    if (options.stall + options.slow >= client_count)
        usage("--stall, --slow: expected fewer than CLIENTS");
    normal_count = client_count - options.stall - options.slow;

    int64_t deadline_ns = clock_ns(CLOCK_MONOTONIC) + (int64_t)(options.timeout_s * 1e9);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct sigaction act = { .sa_handler = on_interrupt };
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);

    clients = must(calloc(client_count, sizeof *clients));
    reached = must(calloc(normal_count, sizeof *reached));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < client_count; i++)
        open_client(&clients[i], is_inet ? (struct sockaddr *)&inet : (struct sockaddr *)&local,
                    is_inet ? sizeof inet : sizeof local, where);
    drain(deadline_ns, is_inet ? (struct sockaddr *)&inet : (struct sockaddr *)&local, is_inet ? sizeof inet : sizeof local);
    if (accepted_count < client_count)
        fail("only %zu of %zu streams accepted %s", accepted_count, client_count, interrupted ? "before a signal" : "in time");
    return report() ? 0 : 1;
}
