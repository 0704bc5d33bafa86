/* Preloaded, this gives a process another time of day: OTHER_TIME seconds away from that of the machine. The
   monotonic clock stays as it is, as it does on a machine whose time of day is set wrong. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t other_time(void) {
    const char *seconds = getenv("OTHER_TIME");
    return seconds ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += other_time();
    }
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(now, zone);
    if (!failed && now) {
        now->tv_sec += other_time();
    }
    return failed;
}

time_t time(time_t *now) {
    time_t (*real)(time_t *) = dlsym(RTLD_NEXT, "time");
    time_t seconds = real(NULL) + other_time();
    if (now) {
        *now = seconds;
    }
    return seconds;
}
