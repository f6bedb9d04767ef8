// Stream capture and graphs.
#include "../kernel/random.h"
#include "call.h"
#include "streams.h"

using namespace emu;

namespace {

bool covers(const std::vector<Node>& nodes, const std::vector<std::size_t>& frontier, std::size_t wanted) {
    std::vector<bool> seen(nodes.size());
    std::vector<std::size_t> rest = frontier;
    while (!rest.empty()) {
        const std::size_t node = rest.back();
        rest.pop_back();
        if (node == wanted) return true;
        if (seen[node]) continue;
        seen[node] = true;
        rest.insert(rest.end(), nodes[node].after.begin(), nodes[node].after.end());
    }
    return false;
}

// Did every stream that took part come back to the one that began?
bool joined(const std::shared_ptr<Capture>& capture, const std::shared_ptr<Stream>& origin) {
    for (const std::weak_ptr<Stream>& weak : driver().every_stream) {
        const std::shared_ptr<Stream> stream = weak.lock();
        if (!stream || stream == origin || stream->capture != capture) continue;
        for (const std::size_t node : stream->frontier)
            if (!covers(capture->nodes, origin->frontier, node)) return false;
    }
    return true;
}

void end_capture(const std::shared_ptr<Capture>& capture) {
    for (const std::weak_ptr<Stream>& weak : driver().every_stream)
        if (const std::shared_ptr<Stream> stream = weak.lock(); stream && stream->capture == capture) {
            stream->capture = nullptr;
            stream->frontier.clear();
        }
    driver().captures.erase(capture);
}

// Runs the nodes one after the other, in some order that their dependencies allow.
CUresult run_nodes(const std::vector<Node>& nodes) {
    Random random(next_seed());
    std::vector<bool> done(nodes.size());
    for (std::size_t left = nodes.size(); left > 0; left--) {
        std::vector<std::size_t> ready;
        for (std::size_t i = 0; i < nodes.size(); i++) {
            bool free = !done[i];
            for (const std::size_t before : nodes[i].after) free = free && done[before];
            if (free) ready.push_back(i);
        }
        const std::size_t chosen = ready[random.below(ready.size())];
        if (const CUresult result = nodes[chosen].work()) return result;
        done[chosen] = true;
    }
    return CUDA_SUCCESS;
}

}    // namespace

EMU_EXPORT CUresult cuStreamIsCapturing(CUstream handle, int* status) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (status == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        // Of the legacy stream nobody can tell while a stream that it waits for captures.
        if (const std::shared_ptr<Context> context = stream->context.lock(); context && stream == context->legacy)
            for (const std::shared_ptr<Stream>& other : streams_of(context))
                if (other->capture && other->blocking()) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        *status = !stream->capture ? CAPTURE_NONE : stream->capture->invalidated ? CAPTURE_INVALIDATED : CAPTURE_ACTIVE;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuStreamBeginCapture_v2(CUstream handle, unsigned mode) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (mode > CAPTURE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        const std::shared_ptr<Context> context = stream->context.lock();
        if (context && stream == context->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (stream->capture) {
            invalidate(*stream->capture);
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
        auto capture = std::make_shared<Capture>();
        capture->mode = static_cast<CaptureMode>(mode);
        capture->thread = std::this_thread::get_id();
        capture->origin = stream;
        stream->capture = capture;
        stream->frontier.clear();
        driver().captures.insert(capture);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = find_stream(handle, &stream)) return result;
        const std::shared_ptr<Capture> capture = stream->capture;
        if (!capture) return CUDA_ERROR_INVALID_VALUE;
        if (capture->mode != CAPTURE_RELAXED && capture->thread != std::this_thread::get_id())
            return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
        *graph = nullptr;
        if (capture->origin.lock() != stream) {
            invalidate(*capture);
            return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
        }
        CUresult result = CUDA_SUCCESS;
        if (capture->invalidated)
            result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        else if (!joined(capture, stream))
            result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
        else
            *graph = driver().graphs.add(std::make_shared<Graph>(Graph{capture->nodes}));
        end_capture(capture);
        return result;
    });
}

EMU_EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph handle, unsigned long long) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<Graph> graph = driver().graphs.find(handle);
        if (exec == nullptr || !graph) return CUDA_ERROR_INVALID_VALUE;
        *exec = driver().graph_execs.add(std::make_shared<GraphExec>(*graph));
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuGraphGetNodes(CUgraph handle, void**, std::size_t* count) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<Graph> graph = driver().graphs.find(handle);
        if (count == nullptr || !graph) return CUDA_ERROR_INVALID_VALUE;
        *count = graph->nodes.size();
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Stream> stream;
        if (const CUresult result = find_stream(stream_handle, &stream)) return result;
        const std::shared_ptr<GraphExec> exec = driver().graph_execs.find(handle);
        if (!exec) return CUDA_ERROR_INVALID_VALUE;
        return enqueue(stream, [exec] { return run_nodes(exec->nodes); });
    });
}

EMU_EXPORT CUresult cuGraphExecDestroy(CUgraphExec handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        return driver().graph_execs.remove(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

EMU_EXPORT CUresult cuGraphDestroy(CUgraph handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        return driver().graphs.remove(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}
