// Any bytes as a GGUF file: opening must refuse, or give tensors that lie in the file, none over another, whose blocks
// can be read, and metadata that is no larger than the file. What is a model is read as one, parameters and tokenizer.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "formats/tokenizer_files.h"
#include "store/gguf.h"

namespace {

// Every accessor on every key.
void ask(const loquat::GgufFile& file) {
  for (const auto& [key, value] : file.metadata()) {
    CHECK(file.find(key) == &value);
    (void)file.integer(key).ok();
    (void)file.number(key).ok();
    (void)file.boolean(key).ok();
    (void)file.text(key).ok();
    (void)file.texts(key).ok();
    (void)file.integers(key).ok();
    (void)file.numbers(key).ok();
  }
}

void read_model(const std::string& path) {
  const auto source = loquat::open_gguf_source(path);
  if (!source) {
    CHECK(source.error().starts_with(path + ": "), "{}", source.error());
    return;
  }
  for (size_t i = 0; i < source->params.size(); ++i) {
    std::vector<float> values(static_cast<size_t>(source->params[i].size()));
    source->read(i, values);
  }
  const auto tokenizer = loquat::read_source_tokenizer(*source, "");
  if (!tokenizer || !tokenizer->tokenizer) return;
  const auto ids = tokenizer->tokenizer->encode("t1 t2");
  (void)tokenizer->tokenizer->decode(ids);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = ::memfd_create("gguf", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  const auto file = loquat::GgufFile::open(path);
  if (!file) {
    CHECK(file.error().starts_with(path + ": "));
    return 0;
  }
  ask(*file);
  uint64_t total = 0;
  for (const loquat::GgufTensor& tensor : file->tensors()) {
    CHECK(file->find_tensor(tensor.name) == &tensor);
    total += tensor.bytes.size();
    std::vector<float> values(static_cast<size_t>(tensor.size()));
    tensor.read(values);
  }
  CHECK(total <= size, "{} bytes of tensors in {} bytes", total, size);
  read_model(path);
  return 0;
}
