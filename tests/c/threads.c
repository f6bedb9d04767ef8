// Many threads at once, each with its own answers and its own error text; and a forked child.
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "reference.h"

enum { THREADS = 16, ROUNDS = 20, N = 1, C = 3, H = 24, W = 31, PIXELS = N * C * H * W };

static float x[PIXELS], y[PIXELS], expected_ssim, expected_gradient[PIXELS];

// Returns what went wrong, or NULL: CHECK is for the main thread alone.
static void* computes_and_fails_by_turns(void* argument) {
    int64_t wrong_size = -1000 - (int64_t)(intptr_t)argument;
    char wanted[40];
    snprintf(wanted, sizeof wanted, "c is %lld", (long long)wrong_size);
    for (int round = 0; round < ROUNDS; round++) {
        float ssim = -1, gradient[PIXELS];
        if (fssim_value_and_grad(x, y, N, C, H, W, NULL, &ssim, gradient, NULL) != FSSIM_OK)
            return (void*)"a good call failed";
        if (fssim_last_error()[0] != '\0') return (void*)"a text after a success";
        if (ssim != expected_ssim || memcmp(gradient, expected_gradient, sizeof gradient) != 0)
            return (void*)"other bits than alone";
        if (fssim_forward(x, y, N, wrong_size, H, W, NULL, &ssim, NULL) != FSSIM_ERROR_SHAPE)
            return (void*)"a bad call was not refused";
        usleep(50);
        if (strstr(fssim_last_error(), wanted) == NULL) return (void*)"another thread's text";
    }
    return NULL;
}

static void threads_have_their_own_results_and_texts(void) {
    pthread_t threads[THREADS];
    CHECK_STATUS(fssim_options_init(NULL, 0), FSSIM_ERROR_NULL_POINTER);
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, computes_and_fails_by_turns, (void*)i) == 0);
    for (int i = 0; i < THREADS; i++) {
        void* complaint = NULL;
        CHECK(pthread_join(threads[i], &complaint) == 0);
        if (complaint != NULL && check_failed(__FILE__, __LINE__)) printf("thread %d: %s\n", i, (const char*)complaint);
    }
    CHECK_MENTIONS(fssim_last_error(), "options");
}

static void* changes_the_number_of_threads(void* stop) {
    for (int i = 0; !__atomic_load_n((int*)stop, __ATOMIC_ACQUIRE); i++) {
        fssim_set_num_threads(i % 4 + 1);
        usleep(100);
    }
    return NULL;
}

static void the_number_of_threads_may_change_meanwhile(void) {
    int stop = 0;
    pthread_t changer;
    CHECK(pthread_create(&changer, NULL, changes_the_number_of_threads, &stop) == 0);
    CHECK(computes_and_fails_by_turns((void*)(intptr_t)99) == NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(changer, NULL) == 0);
    CHECK_OK(fssim_set_num_threads(0));
}

static void a_forked_child_computes(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        float ssim = -1, gradient[PIXELS];
        alarm(300);    // a child that waits for threads it does not have would wait for ever
        fssim_status status = fssim_value_and_grad(x, y, N, C, H, W, NULL, &ssim, gradient, NULL);
        _exit(status == FSSIM_OK && ssim == expected_ssim ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    reference_images(PIXELS, W, x, y);
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, NULL, &expected_ssim, expected_gradient, NULL));
    RUN(threads_have_their_own_results_and_texts);
    RUN(the_number_of_threads_may_change_meanwhile);
    RUN(a_forked_child_computes);
    return finish();
}
