// The CUDA table, and what its parts share: the stream, memory, host arguments on their way to the card.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include "base/check.h"
#include "kernels/cuda/cuda.h"

namespace loquat::cuda {
namespace {

constexpr int64_t kStagingBytes = 64 << 20;
constexpr int64_t kStagingLine = 256;
constexpr int kCopyThreads = 128;
constexpr int64_t kCopyPiece = 64 << 10;  // bytes of a row that one block copies

// What lasts as long as the process: the operating system takes it back.
struct Card {
  cudaStream_t stream = nullptr;
  int multiprocessors = 0;
  bool managed = false;
  char* staging_host = nullptr;  // pinned; the same places as in staging_card
  char* staging_card = nullptr;
  int64_t staged = 0;
  void* scratch[static_cast<int>(Scratch::kCount)] = {};
  int64_t scratch_bytes[static_cast<int>(Scratch::kCount)] = {};
  std::recursive_mutex mutex;  // of calls of the table: they share the stream's order, staging and scratch
};

Card& card() {
  static Card* const one = new Card;
  return *one;
}

// Whether there is a card that these kernels run on; opens it.
bool open_card() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    cudaGetLastError();
    return false;
  }
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  if (properties.major < 8) return false;
  Card& c = card();
  const char* memory = std::getenv("LOQUAT_CUDA_MEMORY");
  c.managed = memory != nullptr && std::string_view(memory) == "managed";
  c.multiprocessors = properties.multiProcessorCount;
  check(cudaStreamCreateWithFlags(&c.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaMallocHost(&c.staging_host, kStagingBytes), "cudaMallocHost");
  check(cudaMalloc(&c.staging_card, kStagingBytes), "cudaMalloc");
  return true;
}

void* allocate(int64_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = card().managed ? cudaMallocManaged(&memory, bytes) : cudaMalloc(&memory, bytes);
  if (error == cudaSuccess) return memory;
  cudaGetLastError();
  CHECK(error == cudaErrorMemoryAllocation, "cudaMalloc: {}", cudaGetErrorString(error));
  return nullptr;
}

void release(void* memory, int64_t) {
  check(cudaFree(memory), "cudaFree");
}

// From ordinary memory the copy has left it when the call returns; see CUDA's rules on pageable memory.
void upload(void* to, const void* from_host, int64_t bytes) {
  check(cudaMemcpyAsync(to, from_host, bytes, cudaMemcpyDefault, stream()), "cudaMemcpyAsync");
  launched("upload");
}

void download(void* to_host, const void* from, int64_t bytes) {
  fetch(to_host, from, bytes);
}

void clear(void* memory, int64_t bytes) {
  check(cudaMemsetAsync(memory, 0, bytes, stream()), "cudaMemsetAsync");
  launched("clear");
}

template <typename Unit>
__global__ void copy_rows_kernel(const RowCopy* rows, int64_t units, int64_t units_per_block) {
  const RowCopy row = rows[blockIdx.x];
  Unit* to = static_cast<Unit*>(row.to);
  const Unit* from = static_cast<const Unit*>(row.from);
  const int64_t begin = blockIdx.y * units_per_block;
  const int64_t end = begin + units_per_block < units ? begin + units_per_block : units;
  for (int64_t i = begin + threadIdx.x; i < end; i += kCopyThreads) to[i] = from[i];
}

template <typename Unit>
void launch_copy_rows(const RowCopy* staged_rows, int64_t rows, int64_t bytes) {
  const int64_t units = bytes / static_cast<int64_t>(sizeof(Unit));
  const int64_t per_block = kCopyPiece / static_cast<int64_t>(sizeof(Unit));
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>((units + per_block - 1) / per_block));
  copy_rows_kernel<Unit><<<grid, kCopyThreads, 0, stream()>>>(staged_rows, units, per_block);
}

void copy_rows(std::span<const RowCopy> rows, int64_t bytes) {
  if (rows.empty() || bytes == 0) return;
  uintptr_t bits = static_cast<uintptr_t>(bytes);
  for (const RowCopy& row : rows) bits |= reinterpret_cast<uintptr_t>(row.to) | reinterpret_cast<uintptr_t>(row.from);
  const RowCopy* list = staged(rows.data(), static_cast<int64_t>(rows.size()));
  const int64_t count = static_cast<int64_t>(rows.size());
  if (bits % 16 == 0) {
    launch_copy_rows<uint4>(list, count, bytes);
  } else if (bits % 4 == 0) {
    launch_copy_rows<uint32_t>(list, count, bytes);
  } else {
    launch_copy_rows<uint8_t>(list, count, bytes);
  }
  launched("copy_rows");
}

// A function of the table, one call at a time.
template <auto F>
struct Locked;
template <typename R, typename... A, R (*F)(A...)>
struct Locked<F> {
  static R call(A... args) {
    const std::lock_guard lock(card().mutex);
    return F(args...);
  }
};

Kernels make_table() {
  return {
      .name = "cuda",
      .host_memory = false,
      .shared_prefixes = false,
      .paged_attention = false,
      .quantized_weights = false,
      .windows_and_caps = false,
      .host_reads = card().managed,
      .allocate = allocate,
      .release = release,
      .upload = Locked<upload>::call,
      .download = Locked<download>::call,
      .clear = Locked<clear>::call,
      .copy_rows = Locked<copy_rows>::call,
      .packed_bytes = packed_bytes,
      .pack = Locked<pack>::call,
      .quantized_bytes = nullptr,
      .pack_quantized = nullptr,
      .linear = Locked<linear>::call,
      .linear_backward_input = Locked<linear_backward_input>::call,
      .linear_backward_weight = Locked<linear_backward_weight>::call,
      .matmul = Locked<matmul>::call,
      .embedding = Locked<embedding>::call,
      .embedding_backward = Locked<embedding_backward>::call,
      .rms_norm = Locked<rms_norm>::call,
      .rms_norm_backward = Locked<rms_norm_backward>::call,
      .rope = Locked<rope>::call,
      .swiglu = Locked<swiglu>::call,
      .swiglu_backward = Locked<swiglu_backward>::call,
      .layer_norm = nullptr,
      .layer_norm_backward = nullptr,
      .add_bias = nullptr,
      .bias_backward = nullptr,
      .head_norm = Locked<head_norm>::call,
      .head_norm_backward = Locked<head_norm_backward>::call,
      .geglu = nullptr,
      .geglu_backward = nullptr,
      .gelu = nullptr,
      .gelu_backward = nullptr,
      .soft_cap = nullptr,
      .attention = Locked<attention>::call,
      .attention_backward = Locked<attention_backward>::call,
      .dropout_add = Locked<dropout_add>::call,
      .dropout_backward = Locked<dropout_backward>::call,
      .lm_head = Locked<lm_head>::call,
      .lm_head_backward = Locked<lm_head_backward>::call,
      .lm_head_loss = Locked<lm_head_loss>::call,
      .log_sum_exp = Locked<log_sum_exp>::call,
      .adamw = Locked<adamw>::call,
      .sum_of_squares = Locked<sum_of_squares>::call,
      .axpby = Locked<axpby>::call,
      .convert = Locked<convert>::call,
      .round_at_random = Locked<round_at_random>::call,
  };
}

}  // namespace

cudaStream_t stream() {
  return card().stream;
}

int multiprocessors() {
  return card().multiprocessors;
}

void check(cudaError_t error, const char* what) {
  CHECK(error == cudaSuccess, "{}: {}", what, cudaGetErrorString(error));
}

void launched(const char* what) {
  check(cudaGetLastError(), what);
  if (card().managed) check(cudaStreamSynchronize(stream()), what);
}

const void* staged_bytes(const void* host, int64_t bytes) {
  Card& c = card();
  CHECK(bytes <= kStagingBytes, "a host argument of {} bytes: room for {}", bytes, kStagingBytes);
  if (c.staged + bytes > kStagingBytes) {
    check(cudaStreamSynchronize(c.stream), "cudaStreamSynchronize");  // whoever reads the oldest copies has finished
    c.staged = 0;
  }
  char* to = c.staging_card + c.staged;
  std::memcpy(c.staging_host + c.staged, host, bytes);
  check(cudaMemcpyAsync(to, c.staging_host + c.staged, bytes, cudaMemcpyHostToDevice, c.stream), "cudaMemcpyAsync");
  c.staged += (bytes + kStagingLine - 1) / kStagingLine * kStagingLine;
  return to;
}

void fetch(void* host, const void* device, int64_t bytes) {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDefault, stream()), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
}

void* scratch(Scratch purpose, int64_t bytes) {
  Card& c = card();
  const int i = static_cast<int>(purpose);
  if (bytes > c.scratch_bytes[i]) {
    if (c.scratch[i] != nullptr) check(cudaFree(c.scratch[i]), "cudaFree");  // waits for those who use it
    const int64_t wanted = bytes + bytes / 2;
    check(cudaMalloc(&c.scratch[i], wanted), "cudaMalloc of scratch memory");
    c.scratch_bytes[i] = wanted;
  }
  return c.scratch[i];
}

}  // namespace loquat::cuda

namespace loquat {

const Kernels* cuda_kernels() {
  static const Kernels* const table = cuda::open_card() ? new Kernels(cuda::make_table()) : nullptr;
  return table;
}

}  // namespace loquat
