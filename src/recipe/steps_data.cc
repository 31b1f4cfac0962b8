// Steps that make the data: the town, or the user's files, and the tokenizer.
#include <numeric>
#include <unordered_set>

#include "data/source.h"
#include "recipe/steps.h"
#include "store/files.h"
#include "tokenizer/tokenizer.h"

namespace loquat::recipe {
namespace {

std::vector<Messages> prompts_of(const std::vector<town::Task>& tasks) {
  std::vector<Messages> prompts;
  for (const town::Task& task : tasks) prompts.push_back(task.messages);
  return prompts;
}

}  // namespace

Status make_town(Run& run, StageRecord& record) {
  const town::World& world = run.world();
  const town::TownScale& scale = run.plan.town;
  TRY_STATUS(town::write_facts(world, run.folder.path() + "/world/facts.jsonl"));
  TRY_STATUS(write_texts(run.folder.data("lessons.jsonl"), town::make_lessons(world, scale.lesson_words)));
  const std::vector<std::string> documents = town::make_documents(world, scale.document_words, false);
  TRY_STATUS(write_texts(run.folder.data("documents.jsonl"), documents));
  TRY_STATUS(write_texts(run.folder.data("heldout.jsonl"), town::make_documents(world, scale.heldout_words, true)));
  std::vector<Demonstration> demonstrations;
  for (const town::TaskDemonstration& made : town::make_demonstrations(world, scale.demonstrations)) {
    Demonstration demonstration{made.task.id, made.task.messages};
    demonstration.messages.push_back({"assistant", made.reply});
    demonstrations.push_back(std::move(demonstration));
  }
  TRY_STATUS(write_demonstrations(run.folder.data("demonstrations.jsonl"), demonstrations));
  const std::vector<town::Task> ppo = town::make_training_tasks(world, scale.ppo_prompts, "ppo");
  TRY_STATUS(write_prompts(run.folder.data("ppo_prompts.jsonl"), prompts_of(ppo)));
  record.figures["entities"] = static_cast<double>(world.entities.size());
  record.figures["facts"] = static_cast<double>(world.facts.size());
  record.figures["documents"] = static_cast<double>(documents.size());
  record.figures["demonstrations"] = static_cast<double>(demonstrations.size());
  return {};
}

namespace {

// Long texts cut at line ends into pieces of about this many bytes: what is measured on them has an interval, drawn by
// piece, also where one file is one text.
constexpr size_t kPieceBytes = 16384;
std::vector<std::string> pieces_of(const std::vector<std::string>& texts) {
  std::vector<std::string> pieces;
  for (const std::string& text : texts) {
    for (size_t begin = 0; begin < text.size();) {
      size_t end = text.size() - begin <= kPieceBytes ? std::string::npos : text.find('\n', begin + kPieceBytes);
      end = end == std::string::npos ? text.size() : end + 1;
      pieces.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  }
  return pieces;
}

// The prompts for PPO: the user's, or else those of the comparisons, each once.
Result<std::vector<Messages>> file_prompts(const FileData& files) {
  std::vector<Messages> prompts;
  for (const std::string& path : files.prompts) {
    TRY(const std::vector<Messages> read, read_prompts(path));
    prompts.insert(prompts.end(), read.begin(), read.end());
  }
  if (!files.prompts.empty()) return prompts;
  std::unordered_set<std::string> seen;
  for (const std::string& path : files.comparisons) {
    TRY(const std::vector<Ranking> rankings, read_rankings(path));
    for (const Ranking& ranking : rankings) {
      std::string key;
      for (const Message& m : ranking.prompt) key += m.role + "\n" + m.content + "\n";
      if (seen.insert(key).second) prompts.push_back(ranking.prompt);
    }
  }
  return prompts;
}

}  // namespace

Status make_file_data(Run& run, StageRecord& record) {
  const FileData& files = run.plan.files;
  TRY(const std::vector<DataSource> sources, data_sources(files.texts));
  const std::vector<double> weights = mixture_weights(sources);
  std::vector<std::string> texts;
  std::string mixture;
  int64_t bytes = 0;
  for (size_t s = 0; s < sources.size(); ++s) {
    // Of weighted sources each has its part of the bytes: none is left out.
    const int64_t most =
        weights.empty() ? files.max_text_bytes : files.max_text_bytes / static_cast<int64_t>(sources.size());
    if (!weights.empty()) bytes = 0;
    TRY(const std::vector<std::string> read, read_texts(sources[s].path()));
    const size_t before = texts.size();
    for (const std::string& text : read) {
      if (most > 0 && bytes >= most) break;
      bytes += static_cast<int64_t>(text.size());
      texts.push_back(text);
    }
    if (weights.empty()) continue;
    const std::string name = run.folder.data(fmt::format("documents-{:02}.jsonl", s + 1));
    TRY_STATUS(write_texts(name, {texts.begin() + static_cast<std::ptrdiff_t>(before), texts.end()}));
    mixture += fmt::format("[[mixture]]\npath = '{}'\nweight = {:.17g}\n", name, weights[s]);
  }
  TRY_STATUS(write_texts(run.folder.data("documents.jsonl"), texts));
  if (!weights.empty()) TRY_STATUS(write_file(run.folder.data("documents.toml"), mixture));
  std::vector<std::string> heldout;
  for (const std::string& path : files.valid_texts) {
    TRY(const std::vector<std::string> read, read_texts(path));
    heldout.insert(heldout.end(), read.begin(), read.end());
  }
  if (!heldout.empty()) TRY_STATUS(write_texts(run.folder.data("heldout.jsonl"), pieces_of(heldout)));
  record.figures["documents"] = static_cast<double>(texts.size());
  record.figures["bytes"] = std::accumulate(texts.begin(), texts.end(), 0.0, [](double sum, const std::string& text) {
    return sum + static_cast<double>(text.size());
  });
  TRY(const std::vector<Messages> prompts, file_prompts(files));
  TRY_STATUS(write_prompts(run.folder.data("ppo_prompts.jsonl"), prompts));
  record.figures["prompts"] = static_cast<double>(prompts.size());
  return {};
}

Status train_tokenizer(Run& run, StageRecord& record) {
  TRY(std::vector<std::string> texts, read_texts(run.folder.data("documents.jsonl")));
  if (run.plan.world == "town") {
    // Words that only people's turns use must be whole tokens too.
    TRY(const std::vector<Demonstration> demonstrations, read_demonstrations(run.folder.data("demonstrations.jsonl")));
    for (const Demonstration& d : demonstrations)
      for (const Message& m : d.messages) texts.push_back(m.content);
  }
  TokenizerTraining options;
  options.vocab_size = run.plan.vocab_size;
  options.special_tokens = loquat_special_tokens();
  TRY(const Tokenizer tokenizer, Tokenizer::train(texts, options));
  TRY_STATUS(tokenizer.save(run.folder.file("tokenizer")));
  record.figures["vocab_size"] = static_cast<double>(tokenizer.vocab_size());
  return {};
}

}  // namespace loquat::recipe
