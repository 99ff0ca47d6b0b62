// What is done where memory may be refused: no exception leaves a thread's share of a parallel loop, nor a function that is
// called from C, for both would end the whole process.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <new>

namespace gcn2snn {

// The shares of one parallel loop: one that fails is noted, and the thread that began the loop throws once all have ended.
class Shares {
  public:
    template <class Work>
    void run(const Work& work) {
        try { work(); } catch (const std::exception&) { failed_ = true; }
    }
    void end() const { if (failed_) throw std::bad_alloc(); }

  private:
    std::atomic<bool> failed_{false};
};

// 0, or 1 where memory was refused; the results are not to be used then.
template <class Work>
int64_t attempt(const Work& work) {
    try { work(); } catch (const std::exception&) { return 1; }
    return 0;
}

}  // namespace gcn2snn
