// The test framework of the C and C++ tests: checks that count, and one line per test.
//
//     static void addition(void) { CHECK(1 + 1 == 2); }
//     int main(void) { RUN(addition); return finish(); }
#ifndef FSSIM_TESTS_CHECK_H
#define FSSIM_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fused_ssim.h"

static int check_failures_of_test;
static int check_failed_tests;
static const char* check_skip_reason;

// Counts a failure. Tells whether it is worth a line: the first ten of a test are.
static inline int check_failed(const char* file, int line) {
    if (++check_failures_of_test > 10) return 0;
    printf("%s:%d: ", file, line);
    return 1;
}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition) && check_failed(__FILE__, __LINE__)) printf("not true: %s\n", #condition);                    \
    } while (0)

// A NaN is never near anything.
#define CHECK_NEAR(value, expected, tolerance)                                                                         \
    do {                                                                                                               \
        double check_value = (double)(value), check_expected = (double)(expected);                                     \
        if (!(fabs(check_value - check_expected) <= (tolerance)) && check_failed(__FILE__, __LINE__))                  \
            printf("%s is %.9g; expected %.9g within %g\n", #value, check_value, check_expected, (double)(tolerance)); \
    } while (0)

#define CHECK_STATUS(call, expected)                                                                                   \
    do {                                                                                                               \
        fssim_status check_status = (call);                                                                            \
        if (check_status != (expected) && check_failed(__FILE__, __LINE__))                                            \
            printf("%s gave %d (%s: \"%s\"); expected %d (%s)\n", #call, (int)check_status,                            \
                   fssim_status_string(check_status), fssim_last_error(), (int)(expected),                             \
                   fssim_status_string(expected));                                                                     \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, FSSIM_OK)

#define CHECK_MENTIONS(text, word)                                                                                     \
    do {                                                                                                               \
        const char* check_text = (text);                                                                               \
        if (strstr(check_text, (word)) == NULL && check_failed(__FILE__, __LINE__))                                    \
            printf("\"%s\" does not mention \"%s\"\n", check_text, (word));                                            \
    } while (0)

// Ends the test that is running as skipped.
#define SKIP(reason)                                                                                                   \
    do {                                                                                                               \
        check_skip_reason = (reason);                                                                                  \
        return;                                                                                                        \
    } while (0)

static inline void check_report(const char* name) {
    if (check_failures_of_test != 0) {
        check_failed_tests++;
        printf("FAILED: %s\n", name);
    } else if (check_skip_reason != NULL) {
        printf("skipped: %s: %s\n", name, check_skip_reason);
    } else {
        printf("ok: %s\n", name);
    }
    fflush(stdout);
    check_failures_of_test = 0;
    check_skip_reason = NULL;
}

#define RUN(test)                                                                                                      \
    do {                                                                                                               \
        test();                                                                                                        \
        check_report(#test);                                                                                           \
    } while (0)

static inline int finish(void) { return check_failed_tests == 0 ? 0 : 1; }

#endif
