// The memory of tables that run on the processor: ordinary memory. Contracts are those of kernels.h.
#pragma once

#include "kernels/kernels.h"

namespace loquat::host {

void* allocate(int64_t bytes);
void release(void* memory, int64_t bytes);
void copy(void* to, const void* from, int64_t bytes);  // upload and download alike
void clear(void* memory, int64_t bytes);
void copy_rows(std::span<const RowCopy> rows, int64_t bytes);

}  // namespace loquat::host
