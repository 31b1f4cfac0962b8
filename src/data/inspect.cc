#include "data/inspect.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/counted.h"
#include "data/encode.h"
#include "data/row_values.h"

namespace loquat {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostErrors = 5;
constexpr int64_t kWhole = int64_t{1} << 40;  // a context that nothing exceeds
constexpr int64_t kContexts[] = {512, 1024, 2048, 4096, 8192, 32768};

std::string key_of(const Messages& prompt) {
  std::string key;
  for (const Message& m : prompt) key += m.role + "\n" + m.content + "\n\x1f";
  return key;
}

std::string text_of(const Messages& messages) {
  std::string text;
  for (const Message& m : messages) text += m.content + "\n";
  return text;
}

unsigned bit(RowKind kind) {
  return static_cast<unsigned>(kind);
}

// What a shape is first of all.
RowKind main_kind(const Shape& shape) {
  for (const RowKind kind : {RowKind::kRanking, RowKind::kUnpaired, RowKind::kDemonstration, RowKind::kText})
    if ((shape.kinds & bit(kind)) != 0) return kind;
  return RowKind::kPrompt;
}

void add_piece(std::vector<Piece>& pieces, std::string_view text, bool trained, bool control) {
  if (text.empty()) return;
  if (pieces.empty() || pieces.back().trained != trained || pieces.back().control != control)
    pieces.push_back({"", trained, control});
  pieces.back().text += text;
}

std::vector<Piece> pieces_of(const Tokenizer& tokenizer, const TokenSequence& sequence) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    const int32_t token = sequence.tokens[i];
    const bool special = tokenizer.is_special(token);
    add_piece(pieces, special ? tokenizer.decode(std::span(&token, 1)) : std::string(tokenizer.token_bytes(token)),
              sequence.is_target[i] != 0, special);
  }
  return pieces;
}

// As a transcript, where there is no tokenizer to say it exactly.
std::vector<Piece> pieces_of(const Messages& messages, const std::vector<int64_t>& untrained) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < messages.size(); ++i) {
    const bool trained = messages[i].role == "assistant" &&
                         std::find(untrained.begin(), untrained.end(), static_cast<int64_t>(i)) == untrained.end();
    add_piece(pieces, (i > 0 ? "\n" : "") + messages[i].role + ": ", false, true);
    add_piece(pieces, messages[i].content, trained, false);
  }
  return pieces;
}

// A row as it is used.
struct Example {
  std::string id;
  const Shape* shape = nullptr;
  ReadRow row;
  Messages prompt;  // what stands before the last reply
};

class Inspection {
 public:
  Inspection(const DataSource& source, const InspectOptions& options) : source_(source), options_(options) {}

  Result<InspectReport> run() {
    TRY_STATUS(read_against());
    report_.name = source_.name;
    report_.files = static_cast<int64_t>(source_.files.size());
    DataSource one = source_;
    one.map.clear();  // a row that cannot be renamed is counted as one that does not read
    for (const std::string& file : source_.files) {
      if (source_.limit > 0) one.limit = source_.limit - report_.rows;
      if (one.limit < 0 || (source_.limit > 0 && one.limit == 0)) break;
      one.files = {file};
      std::vector<RowFile> about;
      const Status status = for_each_row(
          one, [&](const std::string& name, const RowPlace& place, json& row) { return take(name, place, row); },
          &about);
      if (!status.ok()) add_error(status.error());
      for (const RowFile& f : about) ++report_.containers[describe(f)];
    }
    finish();
    return std::move(report_);
  }

 private:
  void add_error(const std::string& error) {
    if (report_.errors.size() < kMostErrors) report_.errors.push_back(error);
  }

  Status read_against() {
    TRY(const std::vector<DataSource> sources, data_sources(options_.against));
    for (const DataSource& source : sources) {
      TRY_STATUS(for_each_row(source, [&](const std::string&, const RowPlace&, json& row) -> Status {
        const auto prompt = prompt_of_row(row);
        if (prompt.ok()) against_.add(key_of(*prompt));
        return {};
      }));
    }
    return {};
  }

  Status take(const std::string& file, const RowPlace& place, json& row) {
    ++report_.rows;
    if (rows_.add(row.dump())) ++report_.repeated_rows;
    Status status = source_.map.empty() ? Status() : rename_columns(row, source_.map);
    if (status.ok()) status = use(place.id(file), row);
    if (status.ok()) return {};
    ++report_.unread;
    const auto [alike, is_new] = alike_.emplace(status.error(), AlikeErrors{report_.errors.size(), 0});
    if (!is_new) {
      ++alike->second.more;
    } else {
      add_error(fmt::format("{}: {}", place.in(file), status.error()));
    }
    if (alike_.size() > kMostErrors) alike_.erase(alike);  // nobody will see how many there are
    return {};
  }

  // Reads a row as what it is to be used as; counts it, or says why not.
  Status use(const std::string& id, const json& row) {
    if (!kind_) {
      const Shape* shape = source_.shape.empty() ? shape_of(row) : shape_named(source_.shape);
      if (options_.kind || shape != nullptr) kind_ = options_.kind ? *options_.kind : main_kind(*shape);
    }
    const RowKind kind = kind_.value_or(RowKind::kDemonstration);
    Example example;
    auto shape = shape_for(row, kind, source_.shape);
    if (!shape.ok()) {
      ++report_.shapes["none"];
      const bool judges_one = kind == RowKind::kRanking && (row.contains("reward") || row.contains("label"));
      return judges_one ? pass_over("judges a single reply") : Status(Error{shape.error()});
    }
    example.shape = *shape;
    ++report_.shapes[example.shape->name];
    report_.about[example.shape->name] = example.shape->about;
    TRY(example.id, id_of(row));
    if (example.id.empty()) example.id = id;
    TRY(std::optional<ReadRow> read, example.shape->read(row));
    if (!read) return pass_over("compares nothing: equal replies, or replies to different prompts");
    if (kind == RowKind::kDemonstration && is_rejected_reply(row)) return pass_over("is a reply that was not wanted");
    example.row = *std::move(read);
    if (kind == RowKind::kDemonstration) {
      TRY(example.row.tools, tools_of_row(row));
    }
    TRY_STATUS(fit(example, kind));
    if (kind == RowKind::kText && example.row.messages.empty() && example.row.text.empty())
      return pass_over("is empty");
    return count(example, kind);
  }

  Status pass_over(const std::string& reason) {
    ++report_.passed_over[reason];
    return {};
  }

  // The turns that this kind uses.
  static Status fit(Example& example, RowKind kind) {
    Messages& messages = example.row.messages;
    if (kind == RowKind::kDemonstration) {
      while (!messages.empty() && messages.back().role != "assistant") messages.pop_back();
      if (messages.empty()) return Err("found no assistant's turn, expected a reply to learn from");
    }
    example.prompt = messages;
    if (kind != RowKind::kText)
      while (!example.prompt.empty() && example.prompt.back().role == "assistant") example.prompt.pop_back();
    if (kind != RowKind::kPrompt) return {};
    if (example.prompt.empty()) return Err("found no user's turn, expected a prompt");
    messages = example.prompt;
    return {};
  }

  Status count(const Example& example, RowKind kind) {
    ++report_.used;
    int64_t bytes = static_cast<int64_t>(example.row.text.size());
    for (const Message& m : example.row.messages) {
      ++report_.roles[m.role];
      bytes += static_cast<int64_t>(m.content.size());
    }
    for (const RankedResponse& r : example.row.responses) bytes += static_cast<int64_t>(r.text.size());
    bytes_.push_back(bytes);
    if (!example.row.messages.empty()) turns_.push_back(static_cast<int64_t>(example.row.messages.size()));
    if (kind == RowKind::kRanking) replies_.push_back(static_cast<int64_t>(example.row.responses.size()));
    if (kind == RowKind::kUnpaired) ++report_.labels[example.row.desirable ? "wanted" : "unwanted"];
    count_duplicates(example);
    return count_tokens(example, kind);
  }

  void count_duplicates(const Example& example) {
    std::string whole = example.row.text + text_of(example.row.messages);
    for (const RankedResponse& r : example.row.responses) whole += r.text + "\n";
    if (!contents_.add(whole) && near_.add(whole)) ++report_.near_duplicates;
    if (example.prompt.empty()) return;
    const std::string key = key_of(example.prompt);
    prompts_.add(key);
    if (!against_.has(key)) return;
    if (report_.leaked++ == 0) report_.first_leak = example.id;
  }

  // Every sequence that training would make of it, uncut or cut to `context`.
  Result<std::vector<TokenSequence>> encode(const Example& example, RowKind kind, int64_t context) const {
    if (kind == RowKind::kText) {
      const std::string text = example.row.messages.empty() ? example.row.text : text_of(example.row.messages);
      TokenSequence out{options_.tokenizer->encode(text), {}};
      if (static_cast<int64_t>(out.tokens.size()) > context) out.tokens.resize(static_cast<size_t>(context));
      out.is_target.assign(out.tokens.size(), 1);
      return std::vector{std::move(out)};
    }
    if (kind == RowKind::kPrompt) {
      TRY(std::vector<int32_t> tokens, encode_prompt(*options_.chat, example.prompt, context, example.id));
      std::vector<uint8_t> none(tokens.size(), 0);
      return std::vector{TokenSequence{std::move(tokens), std::move(none)}};
    }
    if (kind == RowKind::kDemonstration) {
      TRY(TokenSequence out,
          encode_demonstration(*options_.chat,
                               {example.id, example.row.messages, example.row.untrained, example.row.tools}, context));
      return std::vector{std::move(out)};
    }
    TRY(EncodedRanking out,
        encode_ranking(*options_.chat, {example.id, example.row.messages, example.row.responses}, context));
    return std::move(out.responses);
  }

  Status count_tokens(const Example& example, RowKind kind) {
    const bool wanted = static_cast<int64_t>(report_.samples.size()) < options_.samples;
    if (options_.tokenizer == nullptr) {
      if (wanted) report_.samples.push_back(plain_sample(example, kind));
      return {};
    }
    TRY(const std::vector<TokenSequence> sequences, encode(example, kind, kWhole));
    size_t longest = 0;
    for (const TokenSequence& s : sequences) {
      longest = std::max(longest, s.tokens.size());
      report_.trained_tokens += std::count(s.is_target.begin(), s.is_target.end(), 1);
    }
    tokens_.push_back(static_cast<int64_t>(longest));
    if (!wanted) return {};
    Sample sample{example.id, example.shape->name, {}, titles_of(example)};
    const auto cut = options_.context > 0 ? encode(example, kind, options_.context) : sequences;
    if (!cut.ok()) {
      add_error(cut.error());
      return {};
    }
    for (const TokenSequence& s : *cut) sample.sequences.push_back(pieces_of(*options_.tokenizer, s));
    report_.samples.push_back(std::move(sample));
    return {};
  }

  static std::vector<std::string> titles_of(const Example& example) {
    std::vector<std::string> titles;
    if (example.row.responses.size() == 1) return {example.row.desirable ? "wanted" : "unwanted"};
    for (const RankedResponse& r : example.row.responses) titles.push_back(fmt::format("rank {}", r.rank));
    return titles;
  }

  static Sample plain_sample(const Example& example, RowKind kind) {
    Sample sample{example.id, example.shape->name, {}, titles_of(example)};
    if (kind == RowKind::kText) {
      sample.sequences.push_back({{example.row.text + text_of(example.row.messages), true, false}});
    } else if (example.row.responses.empty()) {
      sample.sequences.push_back(pieces_of(example.row.messages, example.row.untrained));
    }
    for (const RankedResponse& r : example.row.responses) {
      Messages whole = example.row.messages;
      whole.push_back({"assistant", r.text});
      std::vector<int64_t> before(example.row.messages.size());
      std::iota(before.begin(), before.end(), int64_t{0});
      sample.sequences.push_back(pieces_of(whole, before));
    }
    return sample;
  }

  void finish() {
    for (const auto& [error, alike] : alike_)
      if (alike.more > 0 && alike.place < report_.errors.size())
        report_.errors[alike.place] += fmt::format(" (and {} alike)", counted(alike.more, "more row"));
    if (kind_) report_.kind = name_of(*kind_);
    report_.turns = spread_of(std::move(turns_));
    report_.bytes = spread_of(std::move(bytes_));
    report_.replies = spread_of(std::move(replies_));
    report_.prompts = prompts_.distinct();
    report_.repeated_prompts = prompts_.repeated();
    for (const int64_t context : kContexts)
      report_.longer[context] = std::count_if(tokens_.begin(), tokens_.end(), [&](int64_t n) { return n > context; });
    if (options_.context > 0)
      report_.longer[options_.context] =
          std::count_if(tokens_.begin(), tokens_.end(), [&](int64_t n) { return n > options_.context; });
    report_.tokens = spread_of(std::move(tokens_));
  }

  struct AlikeErrors {
    size_t place;  // of the first, in the report
    int64_t more;
  };

  const DataSource& source_;
  const InspectOptions& options_;
  std::map<std::string, AlikeErrors> alike_;
  std::optional<RowKind> kind_;
  InspectReport report_;
  std::vector<int64_t> turns_, bytes_, replies_, tokens_;
  ExactDuplicates rows_, contents_, prompts_, against_;
  NearDuplicates near_;
};

ordered_json json_of(const Spread& s) {
  return {{"count", s.count},     {"min", s.least},       {"mean", s.mean},   {"p50", s.half},
          {"p90", s.nine_tenths}, {"p99", s.most_of_all}, {"max", s.largest}, {"sum", s.sum}};
}

ordered_json json_of(const Sample& sample) {
  ordered_json sequences = ordered_json::array();
  for (size_t i = 0; i < sample.sequences.size(); ++i) {
    ordered_json pieces = ordered_json::array();
    for (const Piece& p : sample.sequences[i])
      pieces.push_back({{"text", p.text}, {"trained", p.trained}, {"control", p.control}});
    ordered_json one = {{"pieces", std::move(pieces)}};
    if (i < sample.titles.size()) one["title"] = sample.titles[i];
    sequences.push_back(std::move(one));
  }
  return {{"id", sample.id}, {"shape", sample.shape}, {"sequences", std::move(sequences)}};
}

}  // namespace

Spread spread_of(std::vector<int64_t> values) {
  Spread out;
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const auto place = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    return values[std::max<size_t>(place, 1) - 1];
  };
  out.count = static_cast<int64_t>(values.size());
  out.least = values.front();
  out.half = at(0.5);
  out.nine_tenths = at(0.9);
  out.most_of_all = at(0.99);
  out.largest = values.back();
  out.sum = std::accumulate(values.begin(), values.end(), int64_t{0});
  out.mean = static_cast<double>(out.sum) / static_cast<double>(values.size());
  return out;
}

Result<InspectReport> inspect(const DataSource& source, const InspectOptions& options) {
  return Inspection(source, options).run();
}

std::string to_json(const InspectReport& report) {
  ordered_json out = {{"name", report.name},
                      {"kind", report.kind},
                      {"files", report.files},
                      {"containers", report.containers},
                      {"shapes", report.shapes},
                      {"rows", report.rows},
                      {"used", report.used},
                      {"passed_over", report.passed_over},
                      {"unread", report.unread},
                      {"errors", report.errors},
                      {"roles", report.roles},
                      {"labels", report.labels},
                      {"turns", json_of(report.turns)},
                      {"replies", json_of(report.replies)},
                      {"bytes", json_of(report.bytes)}};
  if (report.tokens.count > 0) {
    out["tokens"] = json_of(report.tokens);
    out["trained_tokens"] = report.trained_tokens;
    for (const auto& [context, n] : report.longer) out["longer"][fmt::format("{}", context)] = n;
  }
  out["repeated_rows"] = report.repeated_rows;
  out["prompts"] = report.prompts;
  out["repeated_prompts"] = report.repeated_prompts;
  out["near_duplicates"] = report.near_duplicates;
  out["leaked"] = report.leaked;
  out["samples"] = ordered_json::array();
  for (const Sample& sample : report.samples) out["samples"].push_back(json_of(sample));
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace loquat
