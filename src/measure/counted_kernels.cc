#include "measure/counted_kernels.h"

#include <atomic>

#include "base/check.h"

namespace loquat::measure {
namespace {

const Kernels* counted = nullptr;
std::atomic<int64_t> bytes_held{0}, bytes_most{0};

void* allocate(int64_t bytes) {
  void* memory = counted->allocate(bytes);
  if (memory == nullptr) return nullptr;
  const int64_t held = bytes_held.fetch_add(bytes) + bytes;
  int64_t most = bytes_most.load();
  while (held > most && !bytes_most.compare_exchange_weak(most, held)) {
  }
  return memory;
}

void release(void* memory, int64_t bytes) {
  counted->release(memory, bytes);
  bytes_held.fetch_sub(bytes);
}

}  // namespace

CountedKernels::CountedKernels(const Kernels& kernels) : table_(kernels) {
  CHECK(counted == nullptr, "memory is being counted already");
  counted = &kernels;
  bytes_held = 0;
  bytes_most = 0;
  table_.allocate = allocate;
  table_.release = release;
}

CountedKernels::~CountedKernels() {
  counted = nullptr;
}

int64_t CountedKernels::held() const {
  return bytes_held;
}

int64_t CountedKernels::most() const {
  return bytes_most;
}

}  // namespace loquat::measure
