/*
 * Sends events, as many and as fast as asked, into each of the systems that are measured, with one pacing for all of them.
 *
 *   load fifo PATH COUNT      iSulad monitor records of 596 bytes into the monitor FIFO
 *   load http SOCKET COUNT    POST /v1/events with batches of JSON lines, HTTP/1.1 over a unix socket
 *   load redis SOCKET COUNT   pipelined PUBLISH over a unix socket
 *   load nats PORT COUNT      PUB to 127.0.0.1
 * Options:
 *   --rate R          events per second (0 = as fast as it goes). Event i is to be sent at begin + i / R, also when the sender
 *                     is late: that moment is what it carries.
 *   --burst N         with --rate: the first N events go as fast as they can, time begins behind them (0)
 *   --progress FILE   a shared page whose first uint64 is the number that the slowest client has reached; may be given 8 times
 *   --ahead W         never more than W events ahead of that
 *   --start N         numbers begin with N + 1 (0)
 *   --containers C    event i is about container i % C (500)
 *   --pad N           so many further bytes in the attribute
 *   --name-bytes N    length of a container's id (64)
 *   --payload N       redis, nats: exactly N bytes of JSON an event (300)
 *   --batch N         http: events in a request (256), redis: commands in a write (64), fifo: records in a write (6, the most that
 *                     a pipe takes whole)
 *   --depth N         http: requests on their way (4), redis: commands without answer (1024)
 *   --channel C       redis, nats: where to (events)
 *   --path P          http: (/v1/events)
 *
 * Every event has the attribute `seq=<number, 10 digits> <moment of sending, CLOCK_REALTIME in ns, 19 digits> <padding>`.
 * Prints one JSON line at the end: {"sent":N,"seconds":S,"cpu":C,"waits":W}, `waits` for the reader or for room.
 * Exit: 0 all sent and answered, or stopped by SIGTERM/SIGINT; 1 usage; 2 the other side failed; 3 no progress for 30 s.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    RECORD_BYTES = 596,
    RECORD_NAME = 8,
    RECORD_EXTRA = 328,
    RECORD_EXTRA_BYTES = 255,
    RECORD_VALUE = 584,
    RECORD_PID = 592,
    STATE_START = 11,
    NUMBER_DIGITS = 10,
    MOMENT_DIGITS = 19,
    CONTAINER_DIGITS = 12,
    OUT_BYTES = 64 * 1024,
    EVENT_LIMIT = 4096,
    WAIT_NS = 50000,
    GIVE_UP_S = 30,
    MAX_PAGES = 8,
};

static struct {
    uint64_t count, start, rate, burst, ahead, containers, batch, depth;
    size_t pad, name_bytes, payload;
    const char *channel, *path;
    volatile uint64_t *progress[MAX_PAGES];
    int pages;
} options = { .containers = 500, .name_bytes = 64, .payload = 300, .channel = "events", .path = "/v1/events" };

static volatile sig_atomic_t stopped;
static int fd;
static uint64_t sent, waits;
static int64_t begin_ns, begin_realtime_ns;
static bool is_paced;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
    struct timespec t = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static _Noreturn void fail(int code, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(code);
}

/* ---- pacing ---- */

/* How many events are due now, beyond those that have been sent; waits for the first of them. */
static uint64_t due(void)
{
    int64_t waiting_since = 0;
    while (!stopped && sent < options.count) {
        uint64_t until = options.count;
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        if (options.rate && sent < options.burst) {
            until = options.burst;
        } else if (options.rate) {
            if (!is_paced) {
                is_paced = true;
                begin_ns = now;
                begin_realtime_ns = clock_ns(CLOCK_REALTIME);
            }
            until = options.burst + (uint64_t)((double)(now - begin_ns) * (double)options.rate / 1e9);
            if (until > options.count)
                until = options.count;
            if (until <= sent) {
                sleep_until(begin_ns + (int64_t)((double)(sent - options.burst + 1) * 1e9 / (double)options.rate) + 1);
                continue;
            }
        }
        if (!options.pages || !options.ahead)
            return until - sent;
        uint64_t done = UINT64_MAX;
        for (int i = 0; i < options.pages; i++) {
            uint64_t reached = __atomic_load_n(options.progress[i], __ATOMIC_RELAXED);
            done = reached < done ? reached : done;
        }
        uint64_t most = (done > options.start ? done - options.start : 0) + options.ahead;
        if (until > most)
            until = most;
        if (until > sent)
            return until - sent;
        waits++;
        if (!waiting_since)
            waiting_since = now;
        if (now - waiting_since > GIVE_UP_S * INT64_C(1000000000)) {
            fprintf(stderr, "load: the slowest client stands at %" PRIu64 " for %d s\n", done, GIVE_UP_S);
            exit(3);
        }
        sleep_until(now + WAIT_NS);
    }
    return 0;
}

/* The moment at which event `i` (from 1 on, of those that this program sends) is to be sent. */
static int64_t moment_of(uint64_t i, int64_t now_realtime_ns)
{
    if (!options.rate || i <= options.burst)
        return now_realtime_ns;
    return begin_realtime_ns + (int64_t)((double)(i - options.burst) * 1e9 / (double)options.rate);
}

/* ---- events: a template of which digits are changed ---- */

struct template {
    char data[EVENT_LIMIT];
    size_t bytes;
    size_t container_at, number_at, moment_at;
};

static void put_digits(char *to, uint64_t value, int digits)
{
    for (int at = digits - 1; at >= 0; at--) {
        to[at] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void stamp(struct template *t, uint64_t i, int64_t moment)
{
    put_digits(t->data + t->container_at, i % options.containers, CONTAINER_DIGITS);
    put_digits(t->data + t->number_at, i, NUMBER_DIGITS);
    put_digits(t->data + t->moment_at, (uint64_t)moment, MOMENT_DIGITS);
}

static void append(struct template *t, const char *text)
{
    size_t n = strlen(text);
    if (t->bytes + n > sizeof t->data)
        fail(1, "the event is too long");
    memcpy(t->data + t->bytes, text, n);
    t->bytes += n;
}

static void append_name(struct template *t)
{
    for (size_t i = 0; i < options.name_bytes; i++)
        append(t, "0");
    t->container_at = t->bytes - CONTAINER_DIGITS;
}

/* `<number> <moment> <padding>` */
static void append_value(struct template *t, size_t pad)
{
    t->number_at = t->bytes;
    append(t, "0000000000 ");
    t->moment_at = t->bytes;
    append(t, "0000000000000000000");
    if (pad)
        append(t, " ");
    for (size_t i = 1; i < pad; i++)
        append(t, "x");
}

static void json_template(struct template *t, const char *end, size_t size)
{
    append(t, "{\"type\":\"container\",\"action\":\"start\",\"id\":\"");
    append_name(t);
    append(t, "\",\"attributes\":{\"image\":\"nginx:1.27\",\"name\":\"web\",\"seq\":\"");
    size_t rest = NUMBER_DIGITS + 1 + MOMENT_DIGITS + strlen("\"}}") + strlen(end);
    append_value(t, size > t->bytes + rest ? size - t->bytes - rest : options.pad);
    append(t, "\"}}");
    append(t, end);
}

/* ---- sockets ---- */

static void connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        fail(1, "the path is too long");
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail(2, path);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void connect_port(const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    address.sin_port = htons((uint16_t)atoi(port));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail(2, port);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static char in[OUT_BYTES];
static size_t in_bytes;

/* Waits until the socket can be read, or also written. */
static void wait_for(short wanted)
{
    struct pollfd p = { .fd = fd, .events = wanted };
    int64_t give_up = clock_ns(CLOCK_MONOTONIC) + GIVE_UP_S * INT64_C(1000000000);
    while (!stopped && poll(&p, 1, 1000) <= 0) {
        if (clock_ns(CLOCK_MONOTONIC) > give_up) {
            fprintf(stderr, "load: no progress for %d s\n", GIVE_UP_S);
            exit(3);
        }
    }
}

/* Reads what is there; false when there was nothing. */
static bool receive(void)
{
    ssize_t n = read(fd, in + in_bytes, sizeof in - in_bytes);
    if (n > 0) {
        in_bytes += (size_t)n;
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (n == 0)
            errno = ECONNRESET;
        fail(2, "read");
    }
    return false;
}

/* Answers of the other side, whole ones; returns how many were taken, and moves what is left to the front. */
static uint64_t (*take_answers)(void);

static void consume(size_t bytes)
{
    memmove(in, in + bytes, in_bytes - bytes);
    in_bytes -= bytes;
}

static uint64_t outstanding;

static void settle(void)
{
    while (receive() && in_bytes)
        outstanding -= take_answers();
}

static void send_all(const char *p, size_t bytes)
{
    while (bytes && !stopped) {
        ssize_t n = send(fd, p, bytes, MSG_NOSIGNAL);
        if (n >= 0) {
            p += n;
            bytes -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            fail(2, "write");
        waits++;
        wait_for(POLLIN | POLLOUT);
        settle();
    }
}

static void await_answers(uint64_t most)
{
    settle();
    while (outstanding > most && !stopped) {
        wait_for(POLLIN);
        settle();
    }
}

/* ---- fifo ---- */

static void run_fifo(const char *path)
{
    static struct template t;
    t.bytes = RECORD_BYTES;
    memset(t.data + RECORD_NAME, '0', options.name_bytes);
    t.container_at = RECORD_NAME + options.name_bytes - CONTAINER_DIGITS;
    memcpy(t.data + RECORD_EXTRA, "seq=", 4);
    t.number_at = RECORD_EXTRA + 4;
    t.moment_at = t.number_at + NUMBER_DIGITS + 1;
    size_t end = t.moment_at + MOMENT_DIGITS;
    t.data[t.number_at + NUMBER_DIGITS] = ' ';
    if (end + options.pad >= RECORD_EXTRA + RECORD_EXTRA_BYTES || options.name_bytes > 64)
        fail(1, "--pad, --name-bytes: a record has no room for so much");
    if (options.pad) {
        t.data[end] = ' ';
        memset(t.data + end + 1, 'x', options.pad - 1);
    }
    int32_t value = STATE_START, pid = -1;
    memcpy(t.data + RECORD_VALUE, &value, sizeof value);
    memcpy(t.data + RECORD_PID, &pid, sizeof pid);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        fail(2, path);
    uint64_t most = PIPE_BUF / RECORD_BYTES;
    if (options.batch && options.batch < most)
        most = options.batch;
    for (uint64_t ready = due(); ready; ready = due()) {
        int64_t now = clock_ns(CLOCK_REALTIME);
        if (ready > 64)
            ready = 64;
        while (ready && !stopped) {
            static char records[PIPE_BUF];
            uint64_t count = ready < most ? ready : most;
            for (uint64_t i = 0; i < count; i++) {
                stamp(&t, options.start + sent + i + 1, moment_of(sent + i + 1, now));
                memcpy(records + i * RECORD_BYTES, t.data, RECORD_BYTES);
            }
            ssize_t n;
            /* Up to PIPE_BUF a write is all or nothing. */
            while ((n = write(fd, records, count * RECORD_BYTES)) < 0 && (errno == EAGAIN || errno == EINTR) && !stopped) {
                waits++;
                struct pollfd p = { .fd = fd, .events = POLLOUT };
                int64_t give_up = clock_ns(CLOCK_MONOTONIC) + GIVE_UP_S * INT64_C(1000000000);
                while (!stopped && poll(&p, 1, 1000) == 0)
                    if (clock_ns(CLOCK_MONOTONIC) > give_up)
                        exit(3);
            }
            if (n < 0 && stopped && (errno == EAGAIN || errno == EINTR))
                break;
            if (n < 0)
                fail(2, "write");
            sent += count;
            ready -= count;
        }
    }
}

/* ---- redis, nats: many commands a write ---- */

static uint64_t take_redis(void)
{
    uint64_t answers = 0;
    size_t at = 0;
    for (;;) {
        char *lf = memchr(in + at, '\n', in_bytes - at);
        if (!lf)
            break;
        if (in[at] != ':') {
            fprintf(stderr, "load: redis said %.*s\n", (int)(lf - in - (ssize_t)at), in + at);
            exit(2);
        }
        at = (size_t)(lf - in) + 1;
        answers++;
    }
    consume(at);
    return answers;
}

/* PINGs come at any time, also within a command that is half sent; they are answered behind it. */
static unsigned pongs_due;

static uint64_t take_nats(void)
{
    uint64_t answers = 0;
    size_t at = 0;
    for (;;) {
        char *lf = memchr(in + at, '\n', in_bytes - at);
        if (!lf)
            break;
        if (memcmp(in + at, "PING", 4) == 0)
            pongs_due++;
        else if (memcmp(in + at, "PONG", 4) == 0)
            answers++;
        else if (memcmp(in + at, "-ERR", 4) == 0) {
            fprintf(stderr, "load: nats said %.*s\n", (int)(lf - in - (ssize_t)at), in + at);
            exit(2);
        }
        at = (size_t)(lf - in) + 1;
    }
    consume(at);
    return answers;
}

static void run_broker(bool is_redis)
{
    static const char connect_nats[] = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
    static struct template t;
    char head[512];
    if (is_redis)
        snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(options.channel), options.channel, options.payload);
    else
        snprintf(head, sizeof head, "PUB %s %zu\r\n", options.channel, options.payload);
    append(&t, head);
    json_template(&t, "\r\n", options.payload + strlen(head) + 2);
    if (t.bytes != options.payload + strlen(head) + 2)
        fail(1, "--payload: too small for an event");
    take_answers = is_redis ? take_redis : take_nats;
    if (!is_redis)
        send_all(connect_nats, sizeof connect_nats - 1);
    static char out[OUT_BYTES];
    uint64_t most = OUT_BYTES / t.bytes;
    if (options.batch && options.batch < most)
        most = options.batch;
    uint64_t depth = options.depth ? options.depth : 1024;
    for (uint64_t ready = due(); ready; ready = due()) {
        int64_t now = clock_ns(CLOCK_REALTIME);
        if (ready > most)
            ready = most;
        for (uint64_t i = 0; i < ready; i++) {
            stamp(&t, options.start + sent + i + 1, moment_of(sent + i + 1, now));
            memcpy(out + i * t.bytes, t.data, t.bytes);
        }
        if (is_redis) {
            await_answers(depth > ready ? depth - ready : 0);
            outstanding += ready;
        }
        send_all(out, ready * t.bytes);
        sent += ready;
        settle();
        for (; pongs_due; pongs_due--)
            send_all("PONG\r\n", 6);
    }
    if (!is_redis) {
        outstanding = 1;
        send_all("PING\r\n", 6);
    }
    await_answers(0);
}

/* ---- http ---- */

static uint64_t take_http(void)
{
    uint64_t answers = 0;
    size_t at = 0;
    for (;;) {
        char *blank = memmem(in + at, in_bytes - at, "\r\n\r\n", 4);
        if (!blank)
            break;
        *blank = 0;
        char *length = strcasestr(in + at, "\r\ncontent-length:");
        size_t body = (size_t)(blank + 4 - in), bytes = length ? strtoul(length + 17, NULL, 10) : 0;
        *blank = '\r';
        if (body + bytes > in_bytes)
            break;
        if (memcmp(in + at, "HTTP/1.1 200", 12) != 0) {
            fprintf(stderr, "load: %.*s\n", (int)(body + bytes - at), in + at);
            exit(2);
        }
        at = body + bytes;
        answers++;
    }
    consume(at);
    return answers;
}

static void run_http(void)
{
    static struct template t;
    json_template(&t, "\n", options.payload);
    take_answers = take_http;
    uint64_t most = options.batch ? options.batch : 256, depth = options.depth ? options.depth : 4;
    char *out = malloc(512 + most * t.bytes);
    if (!out)
        fail(1, "malloc");
    for (uint64_t ready = due(); ready; ready = due()) {
        if (ready > most)
            ready = most;
        await_answers(depth - 1);
        int64_t now = clock_ns(CLOCK_REALTIME);
        int head = snprintf(out, 512, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", options.path, ready * t.bytes);
        for (uint64_t i = 0; i < ready; i++) {
            stamp(&t, options.start + sent + i + 1, moment_of(sent + i + 1, now));
            memcpy(out + head + i * t.bytes, t.data, t.bytes);
        }
        outstanding++;
        send_all(out, (size_t)head + ready * t.bytes);
        sent += ready;
    }
    await_answers(0);
    free(out);
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: load fifo|http|redis|nats WHERE COUNT [--rate R] [--burst N] [--progress FILE --ahead W] [--start N] [--containers C]\n"
                    "            [--pad N] [--name-bytes N] [--payload N] [--batch N] [--depth N] [--channel C] [--path P]\n");
    exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-')
        usage();
    return value;
}

static volatile uint64_t *map_progress(const char *file)
{
    int page_fd = open(file, O_RDWR | O_CLOEXEC);
    void *page = page_fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    if (page == MAP_FAILED)
        fail(1, file);
    close(page_fd);
    return page;
}

int main(int argc, char **argv)
{
    /* Whoever began this may be ended at any time. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    static const struct option names[] = {
        { "burst", required_argument, NULL, 'B' },   { "rate", required_argument, NULL, 'r' },    { "progress", required_argument, NULL, 'P' },
        { "ahead", required_argument, NULL, 'a' },   { "start", required_argument, NULL, 's' },
        { "containers", required_argument, NULL, 'c' }, { "pad", required_argument, NULL, 'p' },
        { "name-bytes", required_argument, NULL, 'n' }, { "payload", required_argument, NULL, 'l' },
        { "batch", required_argument, NULL, 'b' },   { "depth", required_argument, NULL, 'd' },
        { "channel", required_argument, NULL, 'C' }, { "path", required_argument, NULL, 'u' },
        { NULL, 0, NULL, 0 },
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (opt) {
        case 'r': options.rate = number(optarg); break;
        case 'B': options.burst = number(optarg); break;
        case 'P':
            if (options.pages == MAX_PAGES)
                usage();
            options.progress[options.pages++] = map_progress(optarg);
            break;
        case 'a': options.ahead = number(optarg); break;
        case 's': options.start = number(optarg); break;
        case 'c': options.containers = number(optarg); break;
        case 'p': options.pad = number(optarg); break;
        case 'n': options.name_bytes = number(optarg); break;
        case 'l': options.payload = number(optarg); break;
        case 'b': options.batch = number(optarg); break;
        case 'd': options.depth = number(optarg); break;
        case 'C': options.channel = optarg; break;
        case 'u': options.path = optarg; break;
        default: usage();
        }
    }
    if (argc - optind != 3 || options.containers == 0 || options.name_bytes < CONTAINER_DIGITS)
        usage();
    const char *system = argv[optind], *where = argv[optind + 1];
    options.count = number(argv[optind + 2]);

    struct sigaction act = { .sa_handler = on_stop };
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (strcmp(system, "nats") == 0)
        connect_port(where);
    else if (strcmp(system, "fifo") != 0)
        connect_unix(where);
    begin_ns = clock_ns(CLOCK_MONOTONIC);
    begin_realtime_ns = clock_ns(CLOCK_REALTIME);
    if (strcmp(system, "fifo") == 0)
        run_fifo(where);
    else if (strcmp(system, "http") == 0)
        run_http();
    else if (strcmp(system, "redis") == 0)
        run_broker(true);
    else if (strcmp(system, "nats") == 0)
        run_broker(false);
    else
        usage();
    printf("{\"sent\":%" PRIu64 ",\"seconds\":%.6f,\"cpu\":%.6f,\"waits\":%" PRIu64 "}\n", sent,
           (double)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / 1e9, (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9, waits);
    return 0;
}
