/*
 * What the kernel can do at most: the same bytes into many sockets, in large writes, by a program that does nothing else.
 *
 *   limit SOCKET CLIENTS EVENTS [--event-bytes 300] [--write-bytes 65536] [--pages]
 *
 * With --pages the sockets are given the pages of a file in memory (sendfile) in place of copies.
 *
 * Listens on the unix socket, accepts CLIENTS connections and writes EVENTS * event-bytes bytes to each, with `drain --door raw`
 * at the other end. Prints `listening`, and at the end one JSON line: {"seconds":S,"cpu":C}.
 * Exit: 0 all written; 1 usage; 2 a socket failed.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EPOLL = 256 };

struct client {
    int fd;
    uint64_t left;
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(2);
}

int main(int argc, char **argv)
{
    /* Whoever began this may be ended at any time. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    static const struct option names[] = {
        { "event-bytes", required_argument, NULL, 'e' },
        { "write-bytes", required_argument, NULL, 'w' },
        { "pages", no_argument, NULL, 'p' },
        { NULL, 0, NULL, 0 },
    };
    size_t event_bytes = 300, write_bytes = 65536;
    int opt, with_pages = 0, file = -1;
    while ((opt = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (opt == 'e')
            event_bytes = strtoul(optarg, NULL, 10);
        else if (opt == 'w')
            write_bytes = strtoul(optarg, NULL, 10);
        else if (opt == 'p')
            with_pages = 1;
        else
            return 1;
    }
    if (argc - optind != 3 || event_bytes == 0 || write_bytes == 0) {
        fprintf(stderr, "usage: limit SOCKET CLIENTS EVENTS [--event-bytes B] [--write-bytes B] [--pages]\n");
        return 1;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, argv[optind], sizeof address.sun_path - 1);
    size_t count = strtoul(argv[optind + 1], NULL, 10), open_clients = count;
    uint64_t total = strtoull(argv[optind + 2], NULL, 10) * event_bytes;
    struct client *clients = calloc(count, sizeof *clients);
    char *buffer = malloc(write_bytes);
    if (!clients || !buffer)
        fail("memory");
    memset(buffer, 'x', write_bytes);
    if (with_pages && ((file = memfd_create("limit", MFD_CLOEXEC)) < 0 || write(file, buffer, write_bytes) != (ssize_t)write_bytes))
        fail("memfd");
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), epoll_fd = epoll_create1(0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        fail(argv[optind]);
    printf("listening\n");
    fflush(stdout);
    for (size_t i = 0; i < count; i++) {
        clients[i] = (struct client){ .fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), .left = total };
        if (clients[i].fd < 0)
            fail("accept");
    }
    for (size_t i = 0; i < count; i++) {
        struct epoll_event interest = { .events = EPOLLOUT, .data.ptr = &clients[i] };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &interest) < 0)
            fail("epoll_ctl");
    }
    double begin = seconds(CLOCK_MONOTONIC);
    while (open_clients) {
        struct epoll_event events[MAX_EPOLL];
        int n = epoll_wait(epoll_fd, events, MAX_EPOLL, 30000);
        if (n <= 0)
            fail("nobody reads");
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            size_t wanted = c->left < write_bytes ? c->left : write_bytes;
            off_t from = 0;
            ssize_t written = with_pages ? sendfile(c->fd, file, &from, wanted) : send(c->fd, buffer, wanted, MSG_NOSIGNAL);
            if (written < 0 && errno != EAGAIN)
                fail("write");
            if (written > 0)
                c->left -= (uint64_t)written;
            if (c->left == 0) {
                epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
                open_clients--;
            }
        }
    }
    printf("{\"seconds\":%.6f,\"cpu\":%.6f}\n", seconds(CLOCK_MONOTONIC) - begin, seconds(CLOCK_PROCESS_CPUTIME_ID));
    fflush(stdout);
    pause();
    return 0;
}
