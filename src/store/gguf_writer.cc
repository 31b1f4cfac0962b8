// Writing GGUF: the header is made in memory, the tensors' bytes are asked for one by one.
#include <bit>
#include <limits>
#include <set>

#include "store/gguf.h"

namespace loquat {
namespace {

constexpr size_t kMaxTensorName = 63;  // readers keep names in 64 bytes, with a zero at the end
constexpr size_t kMaxRank = 4;

template <typename T>
void put(std::string& out, T x) {
  out.append(reinterpret_cast<const char*>(&x), sizeof(x));
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}

void put_array(std::string& out, const GgufArray& array) {
  put(out, static_cast<uint32_t>(array.type));
  put<uint64_t>(out, static_cast<uint64_t>(array.size()));
  out += array.packed;
  for (const std::string& text : array.strings) put_text(out, text);
}

// The value's bytes in the width of its type.
void put_value(std::string& out, const GgufValue& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return put_text(out, *text);
  if (const auto* array = std::get_if<GgufArray>(&value.value)) return put_array(out, *array);
  if (const auto* flag = std::get_if<bool>(&value.value)) return put<uint8_t>(out, *flag ? 1 : 0);
  if (const auto* x = std::get_if<double>(&value.value)) {
    if (value.type == GgufValueType::kFloat64) return put(out, *x);
    return put(out, static_cast<float>(*x));
  }
  // Little-endian: a narrower integer is the first bytes of the wide one.
  const auto* whole = std::get_if<uint64_t>(&value.value);
  const uint64_t bits = whole ? *whole : static_cast<uint64_t>(std::get<int64_t>(value.value));
  out.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(gguf_value_bytes(value.type)));
}

Result<uint64_t> byte_size(const GgufContent::Tensor& tensor) {
  const GgufTypeInfo& info = gguf_type_info(tensor.type);
  if (tensor.shape.empty() || tensor.shape.size() > kMaxRank)
    return Err("{} dimensions, expected 1 to {}", tensor.shape.size(), kMaxRank);
  uint64_t values = 1;
  for (const int64_t d : tensor.shape)
    if (d < 1 || __builtin_mul_overflow(values, static_cast<uint64_t>(d), &values) || values >> 56 != 0)
      return Err("size {} in its shape", d);
  if (tensor.shape.back() % info.block != 0)
    return Err("rows of {} values, {} comes in blocks of {}", tensor.shape.back(), info.name, info.block);
  return values / static_cast<uint64_t>(info.block) * static_cast<uint64_t>(info.block_bytes);
}

uint64_t aligned(uint64_t at, uint64_t alignment) {
  return (at + alignment - 1) / alignment * alignment;
}

struct Header {
  std::string bytes;  // up to the data
  uint64_t alignment = 32;
  std::vector<uint64_t> sizes;  // of the tensors
};

Result<Header> make_header(const GgufContent& content) {
  Header header;
  std::string& out = header.bytes;
  out = "GGUF";
  put<uint32_t>(out, 3);
  put<uint64_t>(out, content.tensors.size());
  put<uint64_t>(out, content.metadata.size());
  std::set<std::string_view> keys, names;
  for (const auto& [key, value] : content.metadata) {
    if (key.empty() || !is_utf8(key) || !keys.insert(key).second)
      return Err("key '{}' stands twice, is empty or is not UTF-8", key);
    if (key == "general.alignment") {
      const auto* x = std::get_if<uint64_t>(&value.value);
      if (!x || value.type != GgufValueType::kUint32 || !std::has_single_bit(*x))
        return Err("general.alignment: expected an uint32 that is a power of two");
      header.alignment = *x;
    }
    put_text(out, key);
    put(out, static_cast<uint32_t>(value.type));
    put_value(out, value);
  }
  uint64_t at = 0;
  for (const auto& tensor : content.tensors) {
    if (tensor.name.empty() || tensor.name.size() > kMaxTensorName || !is_utf8(tensor.name) ||
        !names.insert(tensor.name).second)
      return Err("tensor '{}': its name stands twice, is not 1 to {} bytes long or is not UTF-8", tensor.name,
                 kMaxTensorName);
    const auto size = byte_size(tensor);
    if (!size) return Err("tensor '{}': {}", tensor.name, size.error());
    put_text(out, tensor.name);
    put<uint32_t>(out, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i > 0; --i) put<uint64_t>(out, static_cast<uint64_t>(tensor.shape[i - 1]));
    put<uint32_t>(out, static_cast<uint32_t>(tensor.type));
    put<uint64_t>(out, at);
    header.sizes.push_back(*size);
    at = aligned(at + *size, header.alignment);
  }
  out.resize(aligned(out.size(), header.alignment), '\0');
  return header;
}

}  // namespace

Status write_gguf(const std::string& path, const GgufContent& content) {
  const auto header = make_header(content);
  if (!header) return Err("{}: {}", path, header.error());
  TRY(AtomicFile file, AtomicFile::open(path));
  TRY_STATUS(file.write(header->bytes.data(), header->bytes.size()));
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    TRY(const auto bytes, content.bytes(i));
    if (bytes.size() != header->sizes[i])
      return Err("{}: tensor '{}': {} bytes were given, it takes {}", path, content.tensors[i].name, bytes.size(),
                 header->sizes[i]);
    TRY_STATUS(file.write(bytes.data(), bytes.size()));
    const std::string padding(aligned(bytes.size(), header->alignment) - bytes.size(), '\0');
    TRY_STATUS(file.write(padding.data(), padding.size()));
  }
  return file.commit();
}

}  // namespace loquat
