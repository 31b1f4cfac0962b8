// Checkpoint files: a header (magic, sequence number, length of the body), the body, and a 64-bit checksum of both. All
// numbers are little-endian.
//
//   "LQTCKPT1"  u64 sequence  u64 body bytes
//   body: i64 step, u64 texts, { text name, text }, u64 tensors, { text name, u64 count, count float32 }
//         where a text is u64 bytes and the bytes
//   u64 checksum
#include "store/checkpoint.h"

#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/rng.h"
#include "store/files.h"

namespace loquat {
namespace {

constexpr std::string_view kMagic = "LQTCKPT1";
constexpr size_t kHeaderSize = 24;

// A checksum that keeps up with the disk: four lanes of 8 bytes, mixed at the end. It finds damage, not forgery.
class Checksum {
 public:
  void add(const void* data, size_t bytes) {
    const auto* p = static_cast<const uint8_t*>(data);
    total_ += bytes;
    while (bytes > 0) {
      if (held_ == 0 && bytes >= block_.size()) {
        add_block(p);
        p += block_.size();
        bytes -= block_.size();
        continue;
      }
      const size_t n = std::min(bytes, block_.size() - held_);
      std::memcpy(block_.data() + held_, p, n);
      held_ += n;
      p += n;
      bytes -= n;
      if (held_ == block_.size()) {
        add_block(block_.data());
        held_ = 0;
      }
    }
  }

  uint64_t value() const {
    uint64_t h = mix64(total_);
    for (const uint64_t lane : lanes_) h = mix64(h ^ lane);
    for (size_t i = 0; i < held_; ++i) h = mix64(h ^ block_[i]);
    return h;
  }

 private:
  void add_block(const uint8_t* p) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      uint64_t word;
      std::memcpy(&word, p + 8 * i, 8);
      lanes_[i] = (lanes_[i] ^ word) * 0x9e3779b97f4a7c15ull;
      lanes_[i] ^= lanes_[i] >> 29;
    }
  }

  std::array<uint64_t, 4> lanes_ = {1, 2, 3, 4};
  std::array<uint8_t, 32> block_ = {};
  size_t held_ = 0;
  uint64_t total_ = 0;
};

// Writes values to a file and into its checksum.
class Writer {
 public:
  explicit Writer(AtomicFile& file) : file_(file) {}
  Status bytes(const void* data, size_t size) {
    checksum_.add(data, size);
    return file_.write(data, size);
  }
  Status u64(uint64_t x) { return bytes(&x, sizeof(x)); }
  Status text(std::string_view text) {
    TRY_STATUS(u64(text.size()));
    return bytes(text.data(), text.size());
  }
  uint64_t checksum() const { return checksum_.value(); }

 private:
  AtomicFile& file_;
  Checksum checksum_;
};

uint64_t body_size(const CheckpointState& state) {
  uint64_t size = 3 * 8;
  for (const auto& [name, text] : state.texts) size += 16 + name.size() + text.size();
  for (const auto& [name, values] : state.tensors) size += 16 + name.size() + values.size() * sizeof(float);
  return size;
}

// Reads values off a span; once something does not fit, ok() stays false.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  uint64_t u64() {
    uint64_t x = 0;
    copy(&x, sizeof(x));
    return x;
  }
  std::string text() {
    const uint64_t size = u64();
    std::string text;
    if (!fits(size)) return text;
    text.resize(size);
    copy(text.data(), size);
    return text;
  }
  std::vector<float> floats() {
    const uint64_t count = u64();
    std::vector<float> values;
    if (count > rest_.size() / sizeof(float)) ok_ = false;
    if (!ok_) return values;
    values.resize(count);
    copy(values.data(), count * sizeof(float));
    return values;
  }

 private:
  bool fits(uint64_t size) {
    if (size > rest_.size()) ok_ = false;
    return ok_;
  }
  void copy(void* to, uint64_t size) {
    if (!fits(size) || size == 0) return;
    std::memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

// What one of the two files holds, without its state. An error says why the file cannot be used.
Result<uint64_t> check_file(const std::string& path, const MappedFile& file) {
  const auto bytes = file.bytes();
  if (bytes.size() < kHeaderSize + 8) return Err("{}: cut: {} bytes", path, bytes.size());
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return Err("{}: not a checkpoint", path);
  uint64_t sequence, size, stored;
  std::memcpy(&sequence, bytes.data() + 8, 8);
  std::memcpy(&size, bytes.data() + 16, 8);
  if (size != bytes.size() - kHeaderSize - 8)
    return Err("{}: cut or damaged: {} bytes, expected {} more than {}", path, bytes.size(), size, kHeaderSize + 8);
  Checksum checksum;
  checksum.add(bytes.data(), bytes.size() - 8);
  std::memcpy(&stored, bytes.data() + bytes.size() - 8, 8);
  if (stored != checksum.value()) return Err("{}: damaged: the checksum does not fit the content", path);
  return sequence;
}

Result<CheckpointState> read_state(const std::string& path, const MappedFile& file) {
  const auto bytes = file.bytes();
  Reader reader(bytes.subspan(kHeaderSize, bytes.size() - kHeaderSize - 8));
  CheckpointState state;
  state.step = static_cast<int64_t>(reader.u64());
  for (uint64_t left = reader.u64(); left > 0 && reader.ok(); --left) {
    std::string name = reader.text();
    state.texts[std::move(name)] = reader.text();
  }
  for (uint64_t left = reader.u64(); left > 0 && reader.ok(); --left) {
    std::string name = reader.text();
    state.tensors[std::move(name)] = reader.floats();
  }
  if (!reader.ok() || !reader.at_end()) return Err("{}: damaged: the parts do not fill the file", path);
  return state;
}

struct Found {
  std::string path;
  std::optional<MappedFile> file;  // set where the file is whole
  uint64_t sequence = 0;
  std::string damage;  // why an existing file is not whole
};

std::string file_of(const std::string& folder, int which) {
  return folder + (which == 0 ? "/state-a" : "/state-b");
}

Found look_at(const std::string& path) {
  Found found;
  found.path = path;
  if (!file_exists(path)) return found;
  auto file = MappedFile::open(path);
  if (!file) {
    found.damage = file.error();
    return found;
  }
  auto sequence = check_file(path, *file);
  if (!sequence) {
    found.damage = sequence.error();
    return found;
  }
  found.sequence = *sequence;
  found.file.emplace(*std::move(file));
  return found;
}

// The sequence number after `newest`, one that does not go to the file that holds `newest` now.
int64_t next_sequence(uint64_t newest, int held_in) {
  int64_t next = static_cast<int64_t>(newest) + 1;
  return next % 2 == held_in ? next + 1 : next;
}

}  // namespace

Status CheckpointFolder::save(const CheckpointState& state) {
  if (sequence_ < 0) {  // the first save of this process: after the newest whole file, over the other one
    TRY_STATUS(make_folders(folder_));
    const Found found[2] = {look_at(file_of(folder_, 0)), look_at(file_of(folder_, 1))};
    sequence_ = 0;
    for (int i = 0; i < 2; ++i)
      if (found[i].file) sequence_ = std::max(sequence_, next_sequence(found[i].sequence, i));
  }
  TRY(AtomicFile file, AtomicFile::open(file_of(folder_, static_cast<int>(sequence_ % 2))));
  Writer writer(file);
  TRY_STATUS(writer.bytes(kMagic.data(), kMagic.size()));
  TRY_STATUS(writer.u64(static_cast<uint64_t>(sequence_)));
  TRY_STATUS(writer.u64(body_size(state)));
  TRY_STATUS(writer.u64(static_cast<uint64_t>(state.step)));
  TRY_STATUS(writer.u64(state.texts.size()));
  for (const auto& [name, text] : state.texts) {
    TRY_STATUS(writer.text(name));
    TRY_STATUS(writer.text(text));
  }
  TRY_STATUS(writer.u64(state.tensors.size()));
  for (const auto& [name, values] : state.tensors) {
    TRY_STATUS(writer.text(name));
    TRY_STATUS(writer.u64(values.size()));
    TRY_STATUS(writer.bytes(values.data(), values.size() * sizeof(float)));
  }
  const uint64_t checksum = writer.checksum();
  TRY_STATUS(file.write(&checksum, sizeof(checksum)));
  TRY_STATUS(file.commit());
  ++sequence_;
  return {};
}

Result<CheckpointState> CheckpointFolder::load_newest(std::string* note) {
  Found found[2] = {look_at(file_of(folder_, 0)), look_at(file_of(folder_, 1))};
  const auto say = [&](const std::string& line) {
    if (note) *note += (note->empty() ? "" : "\n") + line;
  };
  if (note) note->clear();
  while (true) {
    const Found* newest = nullptr;
    for (const Found& f : found)
      if (f.file && (!newest || f.sequence > newest->sequence)) newest = &f;
    if (!newest) break;
    auto state = read_state(newest->path, *newest->file);
    const int which = newest == &found[0] ? 0 : 1;
    if (!state) {
      found[which].damage = state.error();
      found[which].file.reset();
      continue;
    }
    sequence_ = next_sequence(newest->sequence, which);
    if (const std::string& damage = found[1 - which].damage; !damage.empty())
      say(fmt::format("{}; going on from {} (step {})", damage, newest->path, state->step));
    return state;
  }
  for (const Found& f : found)
    if (!f.damage.empty()) say(fmt::format("{}; no whole checkpoint is left: starting this stage anew", f.damage));
  CheckpointState none;
  none.step = -1;
  return none;
}

void CheckpointFolder::remove() {
  for (int i = 0; i < 2; ++i) ::unlink(file_of(folder_, i).c_str());
  for (const char* name : {"/.tmp-state-a", "/.tmp-state-b"}) ::unlink((folder_ + name).c_str());
  sequence_ = -1;
}

}  // namespace loquat
