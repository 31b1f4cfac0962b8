// Thread-local scratch memory.
#include <cstdlib>

#include "base/check.h"
#include "kernels/cpu/inner.h"

namespace loquat::cpu {
namespace {

struct Slots {
  void* data[kScratchSlots] = {};
  size_t size[kScratchSlots] = {};
  ~Slots() {
    for (void* p : data) std::free(p);
  }
};

thread_local Slots slots;

}  // namespace

void* scratch(ScratchSlot slot, size_t bytes) {
  if (slots.size[slot] < bytes) {
    const size_t size = (bytes + bytes / 4 + 4095) / 4096 * 4096;
    std::free(slots.data[slot]);
    slots.data[slot] = std::aligned_alloc(4096, size);
    CHECK(slots.data[slot] != nullptr, "no memory for {} bytes of scratch", size);
    slots.size[slot] = size;
  }
  return slots.data[slot];
}

}  // namespace loquat::cpu
