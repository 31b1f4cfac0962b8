// Reading GGUF: one cursor walks the header and never steps past the file's end; then the tensors' places are checked.
#include "store/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "base/check.h"

namespace loquat {
namespace {

constexpr uint64_t kMaxName = 65535;  // bytes of a key or a tensor's name
constexpr uint32_t kMaxRank = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kLeastKey = 8 + 4 + 1;             // a key's length, its value's type, a value of one byte
constexpr uint64_t kLeastTensor = 8 + 4 + 8 + 4 + 8;  // name's length, rank, one size, type, offset
constexpr size_t kMaxShown = 80;

std::string shown(std::string_view name) {
  size_t cut = std::min(name.size(), kMaxShown);
  while (cut < name.size() && cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xc0) == 0x80) --cut;
  return std::string(name.substr(0, cut)) + (cut < name.size() ? "..." : "");
}

// The header's bytes, taken from the front. What a field is called goes into its error.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  uint64_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }

  template <typename T>
  Result<T> take(std::string_view field) {
    if (left() < sizeof(T)) return Err("{}: the file ends at byte {}", field, bytes_.size());
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  Result<std::string_view> take_text(std::string_view field) {
    TRY(const uint64_t length, take<uint64_t>(field));
    if (length > left()) return Err("{}: a text of {} bytes, the file has {} more", field, length, left());
    return take_bytes(length);
  }

  // length <= left().
  std::string_view take_bytes(uint64_t length) {
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

 private:
  std::span<const uint8_t> bytes_;
  uint64_t at_ = 0;
};

Result<std::string> take_name(Cursor& cursor, const std::string& field) {
  TRY(const std::string_view name, cursor.take_text(field));
  if (name.empty() || name.size() > kMaxName)
    return Err("{}: {} bytes long, expected 1 to {}", field, name.size(), kMaxName);
  if (!is_utf8(name)) return Err("{}: not UTF-8", field);
  return std::string(name);
}

Result<GgufValueType> take_value_type(Cursor& cursor, const std::string& field) {
  TRY(const uint32_t type, cursor.take<uint32_t>(field));
  if (type > static_cast<uint32_t>(GgufValueType::kFloat64)) return Err("{}: value type {} is not known", field, type);
  return static_cast<GgufValueType>(type);
}

Result<GgufArray> take_array(Cursor& cursor, const std::string& field) {
  GgufArray array;
  TRY(array.type, take_value_type(cursor, field));
  if (array.type == GgufValueType::kArray) return Err("{}: a list of lists", field);
  TRY(const uint64_t count, cursor.take<uint64_t>(field));
  const bool texts = array.type == GgufValueType::kString;
  const uint64_t least = texts ? 8 : static_cast<uint64_t>(gguf_value_bytes(array.type));  // bytes of an element
  if (count > cursor.left() / least)
    return Err("{}: a list of {} elements of {}, the file has {} more bytes", field, count, gguf_value_name(array.type),
               cursor.left());
  if (!texts) {
    array.packed = cursor.take_bytes(count * least);
    return array;
  }
  array.strings.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    TRY(const std::string_view text, cursor.take_text(field));
    array.strings.emplace_back(text);
  }
  return array;
}

template <typename T, typename Wide>
Result<GgufValue> take_number(Cursor& cursor, GgufValueType type, const std::string& field) {
  TRY(const T value, cursor.take<T>(field));
  return GgufValue{type, static_cast<Wide>(value)};
}

Result<GgufValue> take_value(Cursor& cursor, GgufValueType type, const std::string& field) {
  switch (type) {
    case GgufValueType::kUint8:
      return take_number<uint8_t, uint64_t>(cursor, type, field);
    case GgufValueType::kInt8:
      return take_number<int8_t, int64_t>(cursor, type, field);
    case GgufValueType::kUint16:
      return take_number<uint16_t, uint64_t>(cursor, type, field);
    case GgufValueType::kInt16:
      return take_number<int16_t, int64_t>(cursor, type, field);
    case GgufValueType::kUint32:
      return take_number<uint32_t, uint64_t>(cursor, type, field);
    case GgufValueType::kInt32:
      return take_number<int32_t, int64_t>(cursor, type, field);
    case GgufValueType::kUint64:
      return take_number<uint64_t, uint64_t>(cursor, type, field);
    case GgufValueType::kInt64:
      return take_number<int64_t, int64_t>(cursor, type, field);
    case GgufValueType::kFloat32:
      return take_number<float, double>(cursor, type, field);
    case GgufValueType::kFloat64:
      return take_number<double, double>(cursor, type, field);
    case GgufValueType::kBool: {
      TRY(const uint8_t byte, cursor.take<uint8_t>(field));
      if (byte > 1) return Err("{}: a bool of {}, expected 0 or 1", field, byte);
      return GgufValue::boolean(byte == 1);
    }
    case GgufValueType::kString: {
      TRY(const std::string_view text, cursor.take_text(field));
      return GgufValue::string(std::string(text));
    }
    default:
      break;
  }
  TRY(GgufArray array, take_array(cursor, field));
  return GgufValue{type, std::move(array)};
}

// A tensor's description before its bytes are found.
struct Place {
  GgufTensor tensor;
  uint64_t offset = 0, size = 0;  // from the data's start, bytes
};

Result<Place> take_tensor(Cursor& cursor, size_t number) {
  Place place;
  GgufTensor& tensor = place.tensor;
  TRY(tensor.name, take_name(cursor, fmt::format("name of tensor {}", number)));
  const std::string field = fmt::format("tensor '{}'", shown(tensor.name));
  TRY(const uint32_t rank, cursor.take<uint32_t>(field));
  if (rank < 1 || rank > kMaxRank) return Err("{}: {} dimensions, expected 1 to {}", field, rank, kMaxRank);
  uint64_t values = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    TRY(const uint64_t size, cursor.take<uint64_t>(field));
    if (size == 0 || size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        __builtin_mul_overflow(values, size, &values))
      return Err("{}: size {} in its shape: expected at least 1, and a product within 64 bits", field, size);
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  TRY(const uint32_t type, cursor.take<uint32_t>(field));
  const GgufTypeInfo* info = find_gguf_type(type);
  if (!info)
    return Err("{}: type {} cannot be read; expected F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K",
               field, type);
  tensor.type = info->type;
  const auto block = static_cast<uint64_t>(info->block);
  if (static_cast<uint64_t>(tensor.shape.back()) % block != 0)
    return Err("{}: rows of {} values, {} comes in blocks of {}", field, tensor.shape.back(), info->name, block);
  if (__builtin_mul_overflow(values / block, static_cast<uint64_t>(info->block_bytes), &place.size))
    return Err("{}: {} values of {} are beyond 64 bits", field, values, info->name);
  TRY(place.offset, cursor.take<uint64_t>(field));
  return place;
}

// Each begins at a multiple of the alignment and ends within the data, and no two share a byte.
Status check_places(const std::vector<Place>& places, uint64_t data_size, uint64_t alignment) {
  std::vector<const Place*> order;
  for (const Place& p : places) {
    if (p.offset % alignment != 0)
      return Err("tensor '{}': offset {} is no multiple of the alignment {}", shown(p.tensor.name), p.offset,
                 alignment);
    if (p.offset > data_size || p.size > data_size - p.offset)
      return Err("tensor '{}': {} bytes from offset {} do not lie in the {} bytes of data", shown(p.tensor.name),
                 p.size, p.offset, data_size);
    order.push_back(&p);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i]->offset - order[i - 1]->offset < order[i - 1]->size)
      return Err("tensor '{}': overlaps tensor '{}'", shown(order[i]->tensor.name), shown(order[i - 1]->tensor.name));
  return {};
}

Status check_version(uint32_t version) {
  if (version == 2 || version == 3) return {};
  if (version == 0x02000000 || version == 0x03000000) return Err("version: big-endian; expected a little-endian file");
  return Err("version: found {}, expected 2 or 3", version);
}

Result<uint64_t> alignment_of(const GgufValue* value) {
  if (!value) return kDefaultAlignment;
  const uint64_t* found = std::get_if<uint64_t>(&value->value);
  if (!found || value->type != GgufValueType::kUint32 || !std::has_single_bit(*found))
    return Err("general.alignment: {}, expected an uint32 that is a power of two",
               found ? fmt::format("found {}", *found) : fmt::format("of type {}", gguf_value_name(value->type)));
  return *found;
}

}  // namespace

int64_t GgufTensor::size() const {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  TRY(MappedFile mapped, MappedFile::open(path));
  GgufFile file(std::move(mapped));
  file.path_ = path;
  if (Status read = file.read(); !read) return Err("{}: {}", path, read.error());
  return file;
}

Status GgufFile::read() {
  const std::span<const uint8_t> bytes = file_.bytes();
  Cursor cursor(bytes);
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0) return Err("not a GGUF file");
  cursor.take_bytes(4);
  TRY(version_, cursor.take<uint32_t>("version"));
  TRY_STATUS(check_version(version_));
  TRY(const uint64_t tensor_count, cursor.take<uint64_t>("count of tensors"));
  TRY(const uint64_t key_count, cursor.take<uint64_t>("count of keys"));
  if (key_count > cursor.left() / kLeastKey)
    return Err("count of keys: {} do not fit into {} bytes", key_count, cursor.left());
  if (tensor_count > cursor.left() / kLeastTensor)
    return Err("count of tensors: {} do not fit into {} bytes", tensor_count, cursor.left());

  for (uint64_t i = 0; i < key_count; ++i) {
    TRY(std::string key, take_name(cursor, fmt::format("key {}", i)));
    const std::string field = fmt::format("key '{}'", shown(key));
    if (!keys_.emplace(key, metadata_.size()).second) return Err("{}: stands twice", field);
    TRY(const GgufValueType type, take_value_type(cursor, field));
    TRY(GgufValue value, take_value(cursor, type, field));
    metadata_.emplace_back(std::move(key), std::move(value));
  }
  TRY(const uint64_t alignment, alignment_of(find("general.alignment")));

  std::vector<Place> places;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    TRY(Place place, take_tensor(cursor, i));
    if (!names_.emplace(place.tensor.name, i).second) return Err("tensor '{}': stands twice", shown(place.tensor.name));
    places.push_back(std::move(place));
  }
  if (places.empty()) return {};
  const uint64_t padding = (alignment - cursor.at() % alignment) % alignment;
  if (padding > cursor.left()) return Err("cut: the tensors' data is missing");
  const auto data = bytes.subspan(cursor.at() + padding);
  TRY_STATUS(check_places(places, data.size(), alignment));
  for (Place& p : places) {
    p.tensor.bytes = data.subspan(p.offset, p.size);
    tensors_.push_back(std::move(p.tensor));
  }
  return {};
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &metadata_[found->second].second;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &tensors_[found->second];
}

Error GgufFile::wrong(std::string_view key, const char* expected) const {
  const GgufValue* value = find(key);
  std::string found = value ? gguf_value_name(value->type) : "nothing";
  if (value && value->type == GgufValueType::kArray)
    found = fmt::format("a list of {}", gguf_value_name(std::get<GgufArray>(value->value).type));
  return Err("{}: key '{}': found {}, expected {}", path_, key, found, expected);
}

Result<int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (const auto* x = value ? std::get_if<int64_t>(&value->value) : nullptr) return *x;
  const auto* x = value ? std::get_if<uint64_t>(&value->value) : nullptr;
  if (!x || *x > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return wrong(key, "an integer below 2^63");
  return static_cast<int64_t>(*x);
}

Result<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (const auto* x = value ? std::get_if<double>(&value->value) : nullptr) return *x;
  if (const auto* x = value ? std::get_if<int64_t>(&value->value) : nullptr) return static_cast<double>(*x);
  if (const auto* x = value ? std::get_if<uint64_t>(&value->value) : nullptr) return static_cast<double>(*x);
  return wrong(key, "a number");
}

Result<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (const auto* x = value ? std::get_if<bool>(&value->value) : nullptr) return *x;
  return wrong(key, "a bool");
}

Result<std::string> GgufFile::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (const auto* x = value ? std::get_if<std::string>(&value->value) : nullptr) return *x;
  return wrong(key, "a text");
}

Result<std::vector<std::string>> GgufFile::texts(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* x = value ? std::get_if<GgufArray>(&value->value) : nullptr;
  if (!x || x->type != GgufValueType::kString) return wrong(key, "a list of texts");
  return x->strings;
}

Result<std::vector<int64_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* x = value ? std::get_if<GgufArray>(&value->value) : nullptr;
  if (!x || !x->is_integer()) return wrong(key, "a list of integers");
  std::vector<int64_t> out(x->size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = x->integer(static_cast<int64_t>(i));
  return out;
}

Result<std::vector<double>> GgufFile::numbers(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* x = value ? std::get_if<GgufArray>(&value->value) : nullptr;
  if (!x || x->type == GgufValueType::kString || x->type == GgufValueType::kBool)
    return wrong(key, "a list of numbers");
  std::vector<double> out(x->size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = x->number(static_cast<int64_t>(i));
  return out;
}

}  // namespace loquat
