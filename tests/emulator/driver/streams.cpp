#include "streams.h"

#include <unistd.h>

#include "../kernel/launch.h"
#include "../kernel/random.h"
#include "call.h"
#include "settings.h"

namespace emu {
namespace {

bool ready(const Stream& stream) {
    if (stream.queue.empty()) return false;
    for (const Moment& moment : stream.queue.front().after)
        if (!moment.reached()) return false;
    return true;
}

// Work starts a little late and not always equally late, or a missing wait would hardly ever show.
void dawdle(Random& random) {
    static const std::int64_t microseconds = number_setting("FSSIM_EMU_DELAY_US", 20);
    if (microseconds > 0 && random.below(4) == 0)
        usleep(static_cast<useconds_t>(random.below(static_cast<std::uint64_t>(microseconds))));
}

void work_off(std::shared_ptr<Stream> stream) {
    const KernelThread kernels;
    Random random(seed() ^ reinterpret_cast<std::uintptr_t>(stream.get()));
    Driver& d = driver();
    Lock lock(d.mutex);
    for (;;) {
        d.changed.wait(lock, [&] { return ready(*stream) || (stream->closed && stream->queue.empty()); });
        if (stream->queue.empty()) return;
        const Operation operation = std::move(stream->queue.front());
        stream->queue.pop_front();
        lock.unlock();
        dawdle(random);
        // A lost device runs nothing any more, but its streams drain.
        const CUresult result = device_error() == CUDA_SUCCESS ? operation.work() : CUDA_SUCCESS;
        lock.lock();
        if (result != CUDA_SUCCESS && device_error() == CUDA_SUCCESS) set_device_error(result);
        stream->completed++;
        d.changed.notify_all();
    }
}

// The implicit order of the legacy default stream: its work waits for the blocking streams of the context, theirs for its.
void order_with_legacy(const std::shared_ptr<Stream>& stream, Operation& operation) {
    const std::shared_ptr<Context> context = stream->context.lock();
    if (!context || !stream->blocking()) return;
    if (stream != context->legacy) {
        operation.after.push_back(now(context->legacy));
        return;
    }
    for (const std::shared_ptr<Stream>& other : streams_of(context))
        if (other->blocking() && other != stream) operation.after.push_back(now(other));
}

// Work on the legacy stream would have to wait for the streams that capture, which cannot be.
CUresult check_implicit_dependency(const std::shared_ptr<Stream>& stream) {
    const std::shared_ptr<Context> context = stream->context.lock();
    if (!context || stream != context->legacy) return CUDA_SUCCESS;
    CUresult result = CUDA_SUCCESS;
    for (const std::shared_ptr<Stream>& other : streams_of(context))
        if (other->capture && other->blocking()) {
            invalidate(*other->capture);
            result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
    return result;
}

std::shared_ptr<Stream> per_thread_stream(const std::shared_ptr<Context>& context) {
    static thread_local std::map<std::weak_ptr<Context>, std::shared_ptr<Stream>, std::owner_less<>> streams;
    std::shared_ptr<Stream>& stream = streams[context];
    if (!stream) stream = make_stream(context, 0);
    return stream;
}

}    // namespace

std::shared_ptr<Stream> make_stream(const std::shared_ptr<Context>& context, unsigned flags) {
    auto stream = std::make_shared<Stream>();
    stream->context = context;
    stream->flags = flags;
    std::vector<std::weak_ptr<Stream>>& every = driver().every_stream;
    std::erase_if(every, [](const std::weak_ptr<Stream>& one) { return one.expired(); });
    every.push_back(stream);
    return stream;
}

std::vector<std::shared_ptr<Stream>> streams_of(const std::shared_ptr<Context>& context) {
    std::vector<std::shared_ptr<Stream>> streams;
    for (const std::weak_ptr<Stream>& weak : driver().every_stream)
        if (std::shared_ptr<Stream> stream = weak.lock(); stream && stream->context.lock() == context)
            streams.push_back(std::move(stream));
    return streams;
}

void close_stream(Stream& stream) {
    stream.closed = true;
    driver().changed.notify_all();
}

CUresult find_stream(CUstream handle, std::shared_ptr<Stream>* stream) {
    const auto value = reinterpret_cast<std::uintptr_t>(handle);
    if (value > STREAM_PER_THREAD) {
        *stream = driver().streams.find(handle);
        return *stream ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    }
    std::shared_ptr<Context> context;
    if (const CUresult result = require_context(&context)) return result;
    *stream = value == STREAM_PER_THREAD ? per_thread_stream(context) : context->legacy;
    return CUDA_SUCCESS;
}

CUresult enqueue(const std::shared_ptr<Stream>& stream, Work work) {
    if (stream->capture) {
        Capture& capture = *stream->capture;
        if (capture.invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        capture.nodes.push_back({std::move(work), stream->frontier});
        stream->frontier = {capture.nodes.size() - 1};
        return CUDA_SUCCESS;
    }
    if (const CUresult result = check_implicit_dependency(stream)) return result;
    if (const CUresult failure = pending_asynchronous_failure()) work = [failure] { return failure; };
    Operation operation = {std::move(work), std::move(stream->waits)};
    stream->waits.clear();
    order_with_legacy(stream, operation);
    stream->queue.push_back(std::move(operation));
    stream->enqueued++;
    if (!stream->has_worker) {
        stream->has_worker = true;
        std::thread(work_off, stream).detach();
    }
    driver().changed.notify_all();
    return CUDA_SUCCESS;
}

Moment now(const std::shared_ptr<Stream>& stream) { return {stream, stream->enqueued}; }

CUresult wait_for(const Moment& moment, Lock& lock) {
    driver().changed.wait(lock, [&] { return moment.reached(); });
    return device_error();
}

CUresult wait_for_context(const std::shared_ptr<Context>& context, Lock& lock) {
    std::vector<Moment> moments;
    for (const std::shared_ptr<Stream>& stream : streams_of(context)) moments.push_back(now(stream));
    // All of them, whatever becomes of one: the caller may be about to free what the others use.
    for (const Moment& moment : moments) (void)wait_for(moment, lock);
    return device_error();
}

void wait_for_everything() {
    Lock lock(driver().mutex);
    std::vector<Moment> moments;
    for (const std::weak_ptr<Stream>& weak : driver().every_stream)
        if (const std::shared_ptr<Stream> stream = weak.lock()) moments.push_back(now(stream));
    for (const Moment& moment : moments) (void)wait_for(moment, lock);
}

CUresult run_synchronously(Work work, Lock& lock) {
    std::shared_ptr<Context> context;
    if (const CUresult result = require_context(&context)) return result;
    if (const CUresult result = forbid_in_capture()) return result;
    if (const CUresult result = enqueue(context->legacy, std::move(work))) return result;
    return wait_for(now(context->legacy), lock);
}

void invalidate(Capture& capture) { capture.invalidated = true; }

CUresult forbid_in_capture() {
    CUresult result = CUDA_SUCCESS;
    for (const std::shared_ptr<Capture>& capture : driver().captures) {
        const bool mine = capture->thread == std::this_thread::get_id();
        if (capture->mode == CAPTURE_GLOBAL || (capture->mode == CAPTURE_THREAD_LOCAL && mine)) {
            invalidate(*capture);
            result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return result;
}

CUresult forbid_on_capturing(const std::shared_ptr<Stream>& stream) {
    if (!stream->capture) return CUDA_SUCCESS;
    invalidate(*stream->capture);
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

}    // namespace emu
