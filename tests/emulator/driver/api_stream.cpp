// Streams and events.
#include "call.h"
#include "streams.h"

using namespace emu;

namespace {

CUresult create_stream(CUstream* handle, unsigned flags) {
    std::shared_ptr<Context> context;
    if (handle == nullptr || flags > STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult result = require_context(&context)) return result;
    *handle = driver().streams.add(make_stream(context, flags));
    return CUDA_SUCCESS;
}

// The device's error, for calls that do not wait.
CUresult finished(bool done) {
    if (const CUresult error = device_error()) return error;
    return done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

}    // namespace

EMU_EXPORT CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
    return call(__func__, [&](Lock&) { return create_stream(stream, flags); });
}

EMU_EXPORT CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int) {
    return call(__func__, [&](Lock&) { return create_stream(stream, flags); });
}

EMU_EXPORT CUresult cuStreamDestroy_v2(CUstream handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<Stream> stream = driver().streams.find(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        // Its work goes on; the call does not wait.
        if (stream->capture) invalidate(*stream->capture);
        close_stream(*stream);
        driver().streams.remove(handle);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuStreamSynchronize(CUstream handle) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        if (const CUresult result = forbid_on_capturing(stream)) return result;
        if (const CUresult result = forbid_in_capture()) return result;
        return wait_for(now(stream), lock);
    });
}

EMU_EXPORT CUresult cuStreamQuery(CUstream handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        if (const CUresult result = forbid_on_capturing(stream)) return result;
        if (const CUresult result = forbid_in_capture()) return result;
        return finished(now(stream).reached());
    });
}

EMU_EXPORT CUresult cuStreamGetCtx(CUstream handle, CUcontext* context) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        const std::shared_ptr<Context> owner = stream->context.lock();
        if (!owner || !owner->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
        *context = owner->handle;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuStreamGetFlags(CUstream handle, unsigned* flags) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        *flags = stream->flags;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        const std::shared_ptr<Event> event = driver().events.find(event_handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        if (event->capture) {
            if (!driver().captures.contains(event->capture)) return CUDA_ERROR_CAPTURED_EVENT;
            if (event->capture->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
            if (stream->capture && stream->capture != event->capture) {
                invalidate(*stream->capture);
                invalidate(*event->capture);
                return CUDA_ERROR_STREAM_CAPTURE_MERGE;
            }
            stream->capture = event->capture;
            stream->frontier.insert(stream->frontier.end(), event->frontier.begin(), event->frontier.end());
            return CUDA_SUCCESS;
        }
        if (stream->capture) {
            if (!event->recorded) return CUDA_SUCCESS;
            invalidate(*stream->capture);
            return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
        }
        if (event->recorded) stream->waits.push_back(event->moment);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuLaunchHostFunc(CUstream handle, void (*function)(void*), void* data) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        return enqueue(stream, [=] {
            function(data);
            return CUDA_SUCCESS;
        });
    });
}

EMU_EXPORT CUresult cuEventCreate(CUevent* handle, unsigned flags) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Context> context;
        if (handle == nullptr || flags > 7) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = require_context(&context)) return result;
        auto event = std::make_shared<Event>();
        event->context = context;
        event->timed = !(flags & EVENT_DISABLE_TIMING);
        *handle = driver().events.add(event);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuEventDestroy_v2(CUevent handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        return driver().events.remove(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    });
}

EMU_EXPORT CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (const CUresult result = find_stream(stream_handle, &stream)) return result;
        const std::shared_ptr<Event> event = driver().events.find(handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->context.lock() != event->context.lock()) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->capture) {
            if (stream->capture->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
            event->capture = stream->capture;
            event->frontier = stream->frontier;
            return CUDA_SUCCESS;
        }
        const auto time = std::make_shared<std::chrono::steady_clock::time_point>();
        const CUresult result = enqueue(stream, [time] {
            *time = std::chrono::steady_clock::now();
            return CUDA_SUCCESS;
        });
        if (result != CUDA_SUCCESS) return result;
        event->capture = nullptr;
        event->recorded = true;
        event->moment = now(stream);
        event->time = time;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuEventQuery(CUevent handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<Event> event = driver().events.find(handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        if (event->capture) return CUDA_ERROR_CAPTURED_EVENT;
        if (const CUresult result = forbid_in_capture()) return result;
        return finished(!event->recorded || event->moment.reached());
    });
}

EMU_EXPORT CUresult cuEventSynchronize(CUevent handle) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        const std::shared_ptr<Event> event = driver().events.find(handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        if (event->capture) return CUDA_ERROR_CAPTURED_EVENT;
        if (const CUresult result = forbid_in_capture()) return result;
        return event->recorded ? wait_for(event->moment, lock) : CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuEventElapsedTime(float* milliseconds, CUevent start_handle, CUevent end_handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<Event> start = driver().events.find(start_handle);
        const std::shared_ptr<Event> end = driver().events.find(end_handle);
        if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (!start || !end || !start->timed || !end->timed || !start->recorded || !end->recorded)
            return CUDA_ERROR_INVALID_HANDLE;
        if (!start->moment.reached() || !end->moment.reached()) return CUDA_ERROR_NOT_READY;
        *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
        return CUDA_SUCCESS;
    });
}
