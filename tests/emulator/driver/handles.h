// Handles given out to users. They are addresses that no process can have, so a user who dereferences one faults, and a
// handle that was destroyed, or is of another kind, is found out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

namespace emu {

template <class T>
class Handles {
  public:
    explicit Handles(unsigned kind) : next_((std::uint64_t{0xe0} + kind) << 48 | 0x1000) {}

    void* add(std::shared_ptr<T> object) {
        const std::uint64_t handle = next_;
        next_ += 0x10;
        objects_[handle] = std::move(object);
        return reinterpret_cast<void*>(handle);
    }

    // NULL if the handle is none of these.
    std::shared_ptr<T> find(void* handle) const {
        const auto found = objects_.find(reinterpret_cast<std::uint64_t>(handle));
        return found == objects_.end() ? nullptr : found->second;
    }

    bool remove(void* handle) { return objects_.erase(reinterpret_cast<std::uint64_t>(handle)) != 0; }
    std::size_t size() const { return objects_.size(); }
    const std::map<std::uint64_t, std::shared_ptr<T>>& all() const { return objects_; }

  private:
    std::uint64_t next_;
    std::map<std::uint64_t, std::shared_ptr<T>> objects_;
};

}    // namespace emu
