// safetensors. The header is read by a SAX handler that knows the three levels it may have, so that a hostile header
// (deep, repeated names, numbers that do not fit) is refused before anything is built from it. As the format's own
// reader does, a file whose tensors overlap, leave holes or do not fill it is refused.
#include "store/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace loquat {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr size_t kMaxRank = 32;
constexpr size_t kMaxNameShown = 80;

int64_t dtype_size(std::string_view dtype) {
  for (const char* name : {"F32", "I32", "U32"})
    if (dtype == name) return 4;
  for (const char* name : {"BF16", "F16", "I16", "U16"})
    if (dtype == name) return 2;
  for (const char* name : {"F64", "I64", "U64"})
    if (dtype == name) return 8;
  for (const char* name : {"U8", "I8", "BOOL", "F8_E4M3", "F8_E5M2"})
    if (dtype == name) return 1;
  return 0;
}

std::string shown(std::string_view name) {
  if (name.size() <= kMaxNameShown) return std::string(name);
  size_t cut = kMaxNameShown;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xc0) == 0x80) --cut;  // between characters
  return std::string(name.substr(0, cut)) + "...";
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += fmt::format("{}{}", i ? ", " : "", shape[i]);
  return text + "]";
}

}  // namespace

Result<uint64_t> tensor_byte_size(const std::string& dtype, const std::vector<int64_t>& shape) {
  const int64_t item = dtype_size(dtype);
  if (item == 0) return Err("dtype '{}' is not known", shown(dtype));
  uint64_t size = static_cast<uint64_t>(item);
  for (const int64_t dim : shape) {
    if (dim < 0) return Err("shape {} has a negative size", shape_text(shape));
    if (__builtin_mul_overflow(size, static_cast<uint64_t>(dim), &size))
      return Err("shape {} is beyond 64 bits", shape_text(shape));
  }
  return size;
}

namespace {

struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// { name: { "dtype": text, "shape": [..], "data_offsets": [begin, end] }, "__metadata__": { text: text } }
class HeaderReader {
 public:
  using json = nlohmann::json;
  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("true or false"); }
  bool number_float(json::number_float_t, const json::string_t&) {
    return refuse("a number with a point or too large");
  }
  bool number_integer(json::number_integer_t x) {
    return refuse(fmt::format("the number {}", x));  // SAX gives non-negative numbers to number_unsigned
  }
  bool binary(json::binary_t&) { return refuse("binary data"); }

  bool number_unsigned(json::number_unsigned_t x) {
    if (depth_ != 3) return refuse(fmt::format("the number {}", x));
    HeaderEntry& entry = entries.back();
    if (field_ == "shape") {
      if (x > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        return fail(fmt::format("tensor '{}': size {} in its shape", shown(entry.name), x));
      if (entry.shape.size() == kMaxRank)
        return fail(fmt::format("tensor '{}': more than {} dimensions", shown(entry.name), kMaxRank));
      entry.shape.push_back(static_cast<int64_t>(x));
    } else {
      if (entry.offsets.size() == 2)
        return fail(fmt::format("tensor '{}': more than two data_offsets", shown(entry.name)));
      entry.offsets.push_back(x);
    }
    return true;
  }

  bool string(json::string_t& text) {
    if (depth_ == 2 && in_metadata_) {
      if (!metadata.emplace(field_, text).second)
        return fail(fmt::format("__metadata__ names '{}' twice", shown(field_)));
      return true;
    }
    if (depth_ == 2 && field_ == "dtype") {
      entries.back().dtype = text;
      return true;
    }
    return refuse(fmt::format("the text \"{}\"", shown(text)));
  }

  bool start_object(size_t) {
    if (depth_ == 0) {
      depth_ = 1;
      return true;
    }
    if (depth_ != 1) return refuse("an object");
    depth_ = 2;
    return true;
  }

  bool key(json::string_t& name) {
    if (depth_ == 1) {
      if (!names_.insert(name).second) return fail(fmt::format("'{}' stands twice", shown(name)));
      in_metadata_ = name == "__metadata__";
      top_ = name;
      if (!in_metadata_) {
        entries.emplace_back();
        entries.back().name = name;
      }
      field_.clear();
      return true;
    }
    field_ = name;
    if (in_metadata_) return true;
    HeaderEntry& entry = entries.back();
    bool* seen = name == "dtype" ? &entry.has_dtype : name == "shape" ? &entry.has_shape : nullptr;
    if (name == "data_offsets") seen = &entry.has_offsets;
    if (!seen)
      return fail(fmt::format("tensor '{}': unknown key '{}': expected dtype, shape and data_offsets",
                              shown(entry.name), shown(name)));
    if (*seen) return fail(fmt::format("tensor '{}': '{}' stands twice", shown(entry.name), name));
    *seen = true;
    return true;
  }

  bool end_object() {
    --depth_;
    return true;
  }

  bool start_array(size_t) {
    if (depth_ != 2 || in_metadata_ || field_ == "dtype") return refuse("a list");
    depth_ = 3;
    return true;
  }

  bool end_array() {
    depth_ = 2;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const json::exception&) {
    return fail(fmt::format("not JSON at its byte {}", position));
  }

 private:
  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool refuse(const std::string& what) {
    if (depth_ == 0) return fail(fmt::format("{} where an object is expected", what));
    if (in_metadata_) return fail(fmt::format("__metadata__: {} where a text is expected", what));
    const char* expected = field_ == "dtype" ? "a text" : "a list of whole numbers";
    if (depth_ == 3) expected = "a whole number";
    if (depth_ == 1) expected = "an object";
    return fail(fmt::format("tensor '{}': {}{}{} where {} is expected", shown(top_), field_, field_.empty() ? "" : ": ",
                            what, expected));
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string top_, field_;
  std::set<std::string> names_;
};

// The tensors' places must be whole: begin <= end, of the shape's size, one after another, from 0 to the last byte.
Status check_places(const std::vector<HeaderEntry>& entries, uint64_t data_size) {
  for (const HeaderEntry& e : entries) {
    const std::string name = shown(e.name);
    if (!e.has_dtype || !e.has_shape || e.offsets.size() != 2)
      return Err("tensor '{}': expected dtype, shape and two data_offsets", name);
    auto size = tensor_byte_size(e.dtype, e.shape);
    if (!size) return Err("tensor '{}': {}", name, size.error());
    const uint64_t begin = e.offsets[0], end = e.offsets[1];
    if (begin > end || end > data_size)
      return Err("tensor '{}': data_offsets [{}, {}] do not lie in the {} bytes of data", name, begin, end, data_size);
    if (end - begin != *size)
      return Err("tensor '{}': {} of shape {} takes {} bytes, its data_offsets hold {}", name, e.dtype,
                 shape_text(e.shape), *size, end - begin);
  }
  std::vector<const HeaderEntry*> order;
  for (const HeaderEntry& e : entries) order.push_back(&e);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offsets < b->offsets; });
  uint64_t at = 0;
  for (const HeaderEntry* e : order) {
    if (e->offsets[0] < at) return Err("tensor '{}': overlaps the one before it", shown(e->name));
    if (e->offsets[0] > at) return Err("tensor '{}': {} unused bytes before it", shown(e->name), e->offsets[0] - at);
    at = e->offsets[1];
  }
  if (at != data_size) return Err("{} bytes of data that no tensor names", data_size - at);
  return {};
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  TRY(MappedFile mapped, MappedFile::open(path));
  const auto bytes = mapped.bytes();
  if (bytes.size() < 8) return Err("{}: {} bytes: too short for a safetensors file", path, bytes.size());
  uint64_t header_size;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > kMaxHeader)
    return Err("{}: not a safetensors file: a header of {} bytes, at most {} are allowed", path, header_size,
               kMaxHeader);
  if (header_size > bytes.size() - 8)
    return Err("{}: cut or damaged: a header of {} bytes in a file of {}", path, header_size, bytes.size());
  const auto header = bytes.subspan(8, header_size);
  const auto data = bytes.subspan(8 + header_size);
  if (header.empty() || header[0] != '{') return Err("{}: header: expected a JSON object that begins at once", path);
  if (std::memchr(header.data(), 0, header.size())) return Err("{}: header: a zero byte in the JSON", path);
  HeaderReader reader;
  const auto* text = reinterpret_cast<const char*>(header.data());
  if (!nlohmann::json::sax_parse(text, text + header.size(), &reader))
    return Err("{}: header: {}", path, reader.problem.empty() ? "not JSON" : reader.problem);
  if (auto places = check_places(reader.entries, data.size()); !places)
    return Err("{}: header: {}", path, places.error());

  SafetensorsFile file;
  file.files_.push_back(std::move(mapped));
  file.path_ = path;
  file.metadata_ = std::move(reader.metadata);
  for (HeaderEntry& e : reader.entries) {
    file.index_.emplace(e.name, file.tensors_.size());
    file.tensors_.push_back({std::move(e.name), std::move(e.dtype), std::move(e.shape),
                             data.subspan(e.offsets[0], e.offsets[1] - e.offsets[0])});
  }
  return file;
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

namespace {

// Where each tensor's bytes go is in the header, so their sizes come first.
Result<std::string> make_header(const std::string& path, std::span<const TensorInfo> tensors,
                                const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  for (const auto& [key, value] : metadata)
    if (!is_utf8(key) || !is_utf8(value)) return Err("{}: metadata '{}' is not UTF-8", path, shown(key));
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names = {"__metadata__"};
  uint64_t at = 0;
  for (const TensorInfo& t : tensors) {
    if (!is_utf8(t.name) || !names.insert(t.name).second)
      return Err("{}: tensor name '{}' stands twice or is not UTF-8", path, shown(t.name));
    auto size = tensor_byte_size(t.dtype, t.shape);
    if (!size) return Err("{}: tensor '{}': {}", path, shown(t.name), size.error());
    header[t.name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {at, at + *size}}};
    at += *size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');  // the data begins at a multiple of 64; spaces end a header
  if (text.size() > kMaxHeader)
    return Err("{}: a header of {} bytes: at most {} are allowed", path, text.size(), kMaxHeader);
  return text;
}

}  // namespace

Status write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                         const std::map<std::string, std::string>& metadata, const TensorBytes& bytes) {
  TRY(const std::string header, make_header(path, tensors, metadata));
  TRY(AtomicFile file, AtomicFile::open(path));
  const uint64_t header_size = header.size();
  TRY_STATUS(file.write(&header_size, sizeof(header_size)));
  TRY_STATUS(file.write(header.data(), header.size()));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& t = tensors[i];
    TRY(const uint64_t size, tensor_byte_size(t.dtype, t.shape));
    TRY(const auto given, bytes(i));
    if (given.size() != size)
      return Err("{}: tensor '{}': {} of shape {} takes {} bytes, {} were given", path, shown(t.name), t.dtype,
                 shape_text(t.shape), size, given.size());
    TRY_STATUS(file.write(given.data(), given.size()));
  }
  return file.commit();
}

Status write_safetensors(const std::string& path, std::span<const TensorEntry> tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<TensorInfo> infos;
  for (const TensorEntry& t : tensors) infos.push_back({t.name, t.dtype, t.shape});
  return write_safetensors(path, infos, metadata,
                           [&](size_t i) -> Result<std::span<const uint8_t>> { return tensors[i].bytes; });
}

}  // namespace loquat
