/*
 * Writes iSulad monitor records into the monitor FIFO, as the engine's threads do, and as fast as asked.
 *
 *   sender FIFO COUNT [--rate R] [--containers C] [--start N] [--state V[,V...]] [--stamp]
 *
 * Sends records N+1 .. N+COUNT (N is 0 by default). Record i is about container `i % C` (C is 500 by default), carries the
 * annotation `seq=<i>` and the next of the states V (START by default). --stamp puts the time of sending, CLOCK_REALTIME in
 * nanoseconds, into the arguments. --rate limits to R records a second.
 *
 * Exit: 0 all sent or stopped by SIGTERM/SIGINT; 1 usage; 2 the FIFO cannot be opened or written; 3 no progress for 30 s.
 * Prints one JSON line at exit: {"sent":N,"seconds":S,"eagain":E,"cpu":C}
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TYPE_STATE = 0,
    EVENT_CONTAINER = 0,
    STATE_START = 11,
    MAX_STATES = 32,
    GIVE_UP_S = 30,
    POLL_MS = 5000,
    BURST_NS = 1000000,
};

/* One monitor record; the reader depends on every offset (shared/spec/isulad.md 1.3). */
struct record {
    uint32_t type;
    uint32_t event_type;
    char name[65];
    char args[255];
    char extra[255];
    int32_t value;
    int32_t exit_code;
    int32_t pid;
};
_Static_assert(sizeof(struct record) == 596, "record size");
_Static_assert(offsetof(struct record, name) == 8, "name");
_Static_assert(offsetof(struct record, args) == 73, "args");
_Static_assert(offsetof(struct record, extra) == 328, "extra");
_Static_assert(offsetof(struct record, value) == 584, "value");
_Static_assert(offsetof(struct record, exit_code) == 588, "exit_code");
_Static_assert(offsetof(struct record, pid) == 592, "pid");
/* Only up to PIPE_BUF is a write all or nothing, so that records of several senders do not mix. */
_Static_assert(sizeof(struct record) <= PIPE_BUF, "atomic write");

static volatile sig_atomic_t stopped;

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

/* Writes the decimal digits of `value` and a NUL; several times cheaper than snprintf at a million records a second. */
static char *put_decimal(char *to, uint64_t value)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n)
        *to++ = digits[--n];
    *to = 0;
    return to;
}

/* Waits until a full pipe may have room. Without a reader poll() returns POLLERR at once, hence the sleep. */
static void wait_for_room(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    if (poll(&p, 1, POLL_MS) == 1 && p.revents == POLLOUT)
        return;
    sleep_until(clock_ns(CLOCK_MONOTONIC) + BURST_NS);
}

/* 0 written, 2 the FIFO failed, 3 no progress for GIVE_UP_S, -1 stopped by a signal. */
static int send_record(int fd, const struct record *r, uint64_t *eagain)
{
    int64_t give_up = 0;
    for (;;) {
        ssize_t n = write(fd, r, sizeof *r);
        if (n == (ssize_t)sizeof *r)
            return 0;
        if (n >= 0) {
            fprintf(stderr, "sender: wrote %zd bytes of a record\n", n);
            return 2;
        }
        if (errno == EINTR && !stopped)
            continue;
        if (stopped)
            return -1;
        /* EPIPE: the reader is gone but may come back to the same FIFO (a restart), so it is waited for like room. */
        if (errno != EAGAIN && errno != EPIPE) {
            perror("sender: write");
            return 2;
        }
        (*eagain)++;
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        if (!give_up)
            give_up = now + GIVE_UP_S * INT64_C(1000000000);
        if (now >= give_up) {
            fprintf(stderr, "sender: no progress for %d s, %s\n", GIVE_UP_S, errno == EPIPE ? "no reader" : "the pipe is full");
            return 3;
        }
        wait_for_room(fd);
    }
}

static uint64_t number(const char *text, const char *what)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') {
        fprintf(stderr, "sender: %s: expected a number, got '%s'\n", what, text);
        exit(1);
    }
    return value;
}

static int parse_states(const char *text, int32_t *states)
{
    int n = 0;
    for (;;) {
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || (*end && *end != ',') || n == MAX_STATES) {
            fprintf(stderr, "sender: --state: expected up to %d comma-separated numbers\n", MAX_STATES);
            exit(1);
        }
        states[n++] = (int32_t)value;
        if (!*end)
            return n;
        text = end + 1;
    }
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: sender FIFO COUNT [--rate R] [--containers C] [--start N] [--state V[,V...]] [--stamp]\n");
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "rate", required_argument, NULL, 'r' },       { "containers", required_argument, NULL, 'c' },
        { "start", required_argument, NULL, 's' },      { "state", required_argument, NULL, 'v' },
        { "stamp", no_argument, NULL, 't' },            { NULL, 0, NULL, 0 },
    };
    uint64_t rate = 0, containers = 500, start = 0;
    int32_t states[MAX_STATES] = { STATE_START };
    int state_count = 1, stamp = 0, opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'r': rate = number(optarg, "--rate"); break;
        case 'c': containers = number(optarg, "--containers"); break;
        case 's': start = number(optarg, "--start"); break;
        case 'v': state_count = parse_states(optarg, states); break;
        case 't': stamp = 1; break;
        default: usage();
        }
    }
    if (argc - optind != 2 || containers == 0)
        usage();
    const char *fifo = argv[optind];
    uint64_t count = number(argv[optind + 1], "COUNT");

    struct sigaction act = { .sa_handler = on_stop };
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);

    int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "sender: open %s: %s\n", fifo, errno == ENXIO ? "no reader" : strerror(errno));
        return 2;
    }

    struct record r = { .type = TYPE_STATE, .event_type = EVENT_CONTAINER, .exit_code = 0, .pid = -1 };
    memset(r.name, '0', 64);
    memcpy(r.extra, "seq=", 4);

    uint64_t sent = 0, eagain = 0;
    int rc = 0, state = 0;
    int64_t begin = clock_ns(CLOCK_MONOTONIC), tick = begin;
    while (sent < count && !rc && !stopped) {
        uint64_t due = count;
        if (rate) {
            tick += BURST_NS;
            sleep_until(tick);
            /* From the absolute schedule, so a late wake-up is made up for and the mean rate is exact. */
            due = (uint64_t)((double)(clock_ns(CLOCK_MONOTONIC) - begin) * (double)rate / 1e9);
            if (due > count)
                due = count;
        }
        while (sent < due && !stopped) {
            uint64_t i = start + sent + 1;
            char id[21];
            size_t digits = (size_t)(put_decimal(id, i % containers) - id);
            memset(r.name + 44, '0', 20);
            memcpy(r.name + 64 - digits, id, digits);
            put_decimal(r.extra + 4, i);
            if (stamp)
                put_decimal(r.args, (uint64_t)clock_ns(CLOCK_REALTIME));
            r.value = states[state];
            state = state + 1 == state_count ? 0 : state + 1;
            rc = send_record(fd, &r, &eagain);
            if (rc)
                break;
            sent++;
        }
    }
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    double cpu = (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
    printf("{\"sent\":%" PRIu64 ",\"seconds\":%.6f,\"eagain\":%" PRIu64 ",\"cpu\":%.6f}\n", sent, seconds, eagain, cpu);
    return rc > 0 ? rc : 0;
}
