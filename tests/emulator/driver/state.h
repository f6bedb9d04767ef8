// The objects behind the driver's handles. All of it is guarded by Driver::mutex unless it says otherwise.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "handles.h"
#include "types.h"

namespace emu {

struct Context;
struct Stream;
struct Capture;

struct Device {
    int ordinal;
    int capability;    // 10 * major + minor
    int multiprocessors;
    std::shared_ptr<Context> primary;
    unsigned primary_references = 0;
};

struct Context {
    Device* device;
    bool primary;
    bool alive = true;
    void* handle = nullptr;
    std::shared_ptr<Stream> legacy;    // the default stream
};

// Work that a worker thread of a stream does. The result of a failed one sticks, as an error on a device does.
using Work = std::function<CUresult()>;

// A point in a stream: everything up to operation `position`.
struct Moment {
    std::shared_ptr<Stream> stream;
    std::uint64_t position = 0;

    bool reached() const;
};

struct Operation {
    Work work;
    std::vector<Moment> after;
};

struct Stream {
    std::weak_ptr<Context> context;
    unsigned flags = 0;
    std::deque<Operation> queue;
    std::uint64_t enqueued = 0;
    std::uint64_t completed = 0;
    bool closed = false;    // destroyed: the worker ends when the queue is empty
    bool has_worker = false;
    std::vector<Moment> waits;    // for the next operation: cuStreamWaitEvent
    std::shared_ptr<Capture> capture;
    std::vector<std::size_t> frontier;    // the captured nodes that the next one follows
    bool blocking() const { return !(flags & STREAM_NON_BLOCKING); }
};

inline bool Moment::reached() const { return !stream || stream->completed >= position; }

struct Event {
    std::weak_ptr<Context> context;
    bool timed;
    bool recorded = false;
    Moment moment;
    std::shared_ptr<std::chrono::steady_clock::time_point> time;
    // Recorded in a capture:
    std::shared_ptr<Capture> capture;
    std::vector<std::size_t> frontier;
};

struct Node {
    Work work;
    std::vector<std::size_t> after;
};

struct Capture {
    CaptureMode mode;
    std::thread::id thread;
    std::weak_ptr<Stream> origin;
    bool invalidated = false;
    std::vector<Node> nodes;
};

struct Graph {
    std::vector<Node> nodes;
};
using GraphExec = const Graph;

// A kernel of an image.
struct Entry {
    std::string name;
    std::size_t params_bytes = 0;
    std::size_t shared_bytes = 0;
    unsigned max_threads = 1024;    // .maxntid of PTX
};

struct Library {
    bool machine_code = false;
    int ptx_version = 0;    // 10 * major + minor
    int target = 0;         // the NN of sm_NN
    std::vector<Entry> entries;

    // PTX is compiled for every later GPU; machine code runs on later ones of the same major version.
    bool runs_on(const Device& device) const {
        return target <= device.capability && (!machine_code || target / 10 == device.capability / 10);
    }
};

struct Kernel;

// A kernel of a library.
struct LibraryKernel {
    std::shared_ptr<Library> library;
    Entry entry;
    const Kernel* code;
    std::map<int, int> max_dynamic_shared;    // by device, where it was set
};

// Everything. It is never destroyed, because worker threads may still run when the process exits.
struct Driver {
    std::mutex mutex;
    std::condition_variable changed;    // an operation completed, or was enqueued

    bool initialised = false;
    std::deque<Device> devices;
    Handles<Context> contexts{1};
    Handles<Stream> streams{2};
    std::vector<std::weak_ptr<Stream>> every_stream;    // default ones, and destroyed ones that still work, as well
    Handles<Event> events{3};
    Handles<Graph> graphs{4};
    Handles<GraphExec> graph_execs{5};
    Handles<Library> libraries{6};
    Handles<LibraryKernel> kernels{7};
    std::map<std::pair<const Library*, std::string>, void*> kernel_handles;
    std::set<std::shared_ptr<Capture>> captures;
    std::uint64_t launches = 0;
    std::uint64_t blocks = 0;
};
Driver& driver();

using Lock = std::unique_lock<std::mutex>;

// Shared memory in bytes, with the opt-in; a block takes a little more of a multiprocessor than it asks for.
constexpr int RESERVED_SHARED_PER_BLOCK = 1024;
int max_shared_per_multiprocessor(const Device& device);
int max_shared_per_block(const Device& device);

// The driver version that this library claims. The default is in an object of its own that the build script makes, so that
// all others serve several versions.
extern const int default_driver_version;
int driver_version();

}    // namespace emu
