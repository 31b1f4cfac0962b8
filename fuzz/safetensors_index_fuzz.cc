// Any bytes as model.safetensors.index.json, in a folder with two shards: opening must refuse, or give just the shards'
// tensors.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "store/safetensors.h"

namespace {

// A folder whose index is written anew each time; removed at the end.
struct Folder {
  std::string path;

  Folder() {
    std::string name = "/tmp/loquat-index-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr);
    path = name;
    const uint8_t bytes[8] = {};
    const loquat::TensorEntry a = {"a", "F32", {1}, {bytes, 4}}, b = {"b", "F32", {2}, {bytes, 8}};
    CHECK(loquat::write_safetensors(path + "/one.safetensors", {&a, 1}, {}).ok());
    CHECK(loquat::write_safetensors(path + "/two.safetensors", {&b, 1}, {}).ok());
  }
  ~Folder() {
    for (const char* name : {"/one.safetensors", "/two.safetensors", "/index.json"}) ::unlink((path + name).c_str());
    ::rmdir(path.c_str());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  const std::string index = folder.path + "/index.json";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(loquat::write_file(index, text, loquat::Durability::kUnsynced).ok());
  const auto file = loquat::SafetensorsFile::open_index(index);
  if (!file) {
    CHECK(!file.error().empty());
    return 0;
  }
  CHECK(file->tensors().size() <= 2);
  volatile uint64_t sum = 0;
  for (const loquat::TensorEntry& tensor : file->tensors()) {
    CHECK(tensor.name == "a" || tensor.name == "b");
    for (const uint8_t byte : tensor.bytes) sum = sum + byte;
  }
  return 0;
}
