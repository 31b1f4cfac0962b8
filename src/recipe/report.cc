// The report's page, section by section. Every text from models and files goes through escape_html.
#include "recipe/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "base/progress.h"
#include "recipe/board.h"
#include "recipe/report_data.h"
#include "recipe/report_style.h"
#include "recipe/report_svg.h"
#include "recipe/report_targets.h"
#include "store/files.h"

namespace loquat::recipe {
namespace {

constexpr const char* kFruit =
    "<svg width=\"52\" height=\"52\" viewBox=\"0 0 64 64\" aria-hidden=\"true\"><path d=\"M33 22c1-8 6-13 13-15\" "
    "fill=\"none\" "
    "stroke=\"#6b4a2b\" stroke-width=\"3.5\" stroke-linecap=\"round\"/><path d=\"M34 17C27 4 14 4 6 8c3 9 14 15 28 "
    "9z\" "
    "fill=\"#4f8a3c\"/><ellipse cx=\"34\" cy=\"41\" rx=\"20\" ry=\"19\" fill=\"#f0a136\"/><ellipse cx=\"27\" cy=\"35\" "
    "rx=\"8\" "
    "ry=\"6.5\" fill=\"#f9cf86\" opacity=\".85\"/></svg>";

struct Measure {
  const char* key;
  const char* title;
  const char* note;
  int better;  // +1: more, -1: less, 0: neither
};

constexpr std::array kMeasures = {
    Measure{"helpful", "Helpful", "does what is asked", 1},
    Measure{"truthful", "Truthful", "of replies that claim something", 1},
    Measure{"hallucination_closed_domain", "Makes up, passage given", "closed domain", -1},
    Measure{"hallucination_closed_book", "Makes up, from memory", "closed book", -1},
    Measure{"document_only_correct", "Document-only facts right", "never asked about in training", 1},
    Measure{"abstained_answerable", "“I don't know” to answerable", "", -1},
    Measure{"abstained_unanswerable", "“I don't know” to unanswerable", "", 1},
    Measure{"harmful_refused", "Harmful requests refused", "", 1},
    Measure{"over_refusal", "Benign look-alikes refused", "over-refusal", -1},
    Measure{"clarifies", "Asks back when unclear", "", 1},
    Measure{"honest_identity", "Honest about itself", "", 1},
};

std::string tint(const std::string& model) {
  for (const char* known : {"base", "sft", "reward", "reference", "ppo", "adversarial"}) {
    if (model == known) return fmt::format("tint-{}", known);
  }
  return "tint-none";
}

std::string with_interval(const MaybeFigure& figure, bool share) {
  if (!figure) return "<td>–</td>";
  const auto number = [&](double x) {
    return share ? fmt::format("{:.1f}", 100 * x) : fmt::format("{:.{}f}", x, std::abs(x) < 10 ? 3 : 1);
  };
  std::string cell = fmt::format("<td{{}}><b>{}{}</b>", number(figure->value), share ? " %" : "");
  if (figure->low && figure->high)
    cell += fmt::format("<small>{} – {}</small>", number(*figure->low), number(*figure->high));
  return cell + "</td>";
}

std::string cell(const MaybeFigure& figure, bool share, bool best) {
  std::string text = with_interval(figure, share);
  if (const size_t at = text.find("{}"); at != std::string::npos) text.replace(at, 2, best ? " class=\"best\"" : "");
  return text;
}

std::string tile(const std::string& value, const std::string& title, const std::string& note) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span><small>{}</small></div>", escape_html(value),
                     escape_html(title), escape_html(note));
}

std::string share_tile(const MaybeFigure& figure, const std::string& title) {
  if (!figure) return "";
  const std::string note =
      figure->low && figure->high ? fmt::format("95 %: {:.1f} to {:.1f}", 100 * *figure->low, 100 * *figure->high) : "";
  return tile(fmt::format("{:.1f} %", 100 * figure->value), title, note);
}

MaybeFigure preferred(const ReportData& data, const std::string& name) {
  const auto found = data.preferred.find(name);
  return found == data.preferred.end() ? std::nullopt : MaybeFigure(found->second);
}

std::string heading(const ReportData& data) {
  std::string about = data.scale.empty() ? "" : "scale " + data.scale;
  if (!data.seed.empty()) about += " · seed " + data.seed;
  if (!data.world_seed.empty()) about += " · world seed " + data.world_seed;
  if (data.total_seconds() > 0) about += " · " + duration_text(data.total_seconds());
  std::string out = fmt::format(
      "<header><div class=\"top\">{}<div><h1>{}: from text to an assistant</h1><p class=\"muted\">{}</p></div></div>",
      kFruit, escape_html(data.recipe.empty() ? "A recipe" : "The recipe “" + data.recipe + "”"), escape_html(about));
  std::string tiles = share_tile(preferred(data, "ppo_over_base"), "of the time PPO is preferred to base");
  tiles += share_tile(preferred(data, "ppo_over_sft"), "of the time PPO is preferred to SFT");
  tiles += share_tile(data.measure("ppo", "helpful"), "of PPO's replies are helpful");
  tiles += share_tile(data.measure("ppo", "truthful"), "of PPO's replies with a claim are true");
  tiles += share_tile(data.measure("ppo", "harmful_refused"), "of harmful requests are refused");
  const ModelFigures *ppo = data.model("ppo"), *after = data.model("adversarial");
  if (ppo && after && ppo->attack("held_out_families") && after->attack("held_out_families")) {
    tiles += tile(fmt::format("{:.0f} → {:.0f} %", 100 * ppo->attack("held_out_families")->value,
                              100 * after->attack("held_out_families")->value),
                  "success of held-out attacks", "before and after the adversarial round");
  }
  if (!tiles.empty()) out += "<div class=\"tiles\">" + tiles + "</div>";
  return out +
         "<nav aria-label=\"Sections\"><a href=\"#targets\">Targets</a><a href=\"#measures\">Measures</a><a "
         "href=\"#preferred\">"
         "Preferences</a><a href=\"#attacks\">Attacks</a><a href=\"#curves\">Curves</a><a "
         "href=\"#dialogues\">Dialogues</a>"
         "<a href=\"#run\">The run</a></nav></header>";
}

std::string targets_section(const ReportData& data) {
  const std::vector<Target> targets = judge_targets(data);
  int met = 0, judged = 0;
  std::string list;
  for (const Target& target : targets) {
    const char *style = "", *word = "not measured";
    if (target.outcome == Outcome::kMet) style = "good", word = "✓ met", ++met;
    if (target.outcome == Outcome::kMissed) style = "bad", word = "✗ missed";
    if (target.outcome == Outcome::kNotShown) word = "not shown";
    if (target.outcome != Outcome::kNotMeasured) ++judged;
    list += fmt::format("<li><span class=\"badge {}\">{}</span><span>{}</span><span class=\"measured\">{}</span></li>",
                        style, word, escape_html(target.what),
                        target.measured.empty() ? "–" : escape_html(target.measured));
  }
  return fmt::format(
      "<section id=\"targets\"><h2>Targets</h2><p class=\"lead\">{} of the {} that this run measured are met. Figures "
      "are "
      "of held-out tests, with 95 % intervals in brackets.</p><ul class=\"targets\">{}</ul></section>",
      met, judged, list);
}

std::string model_heads(const ReportData& data) {
  std::string heads;
  for (const std::string& name : data.model_order) {
    heads += fmt::format("<th scope=\"col\" class=\"model {}\">{}</th>", tint(name), escape_html(name));
  }
  return heads;
}

// A row of the big table; the best model's figure stands out.
std::string measure_row(const ReportData& data, const char* title, const std::string& note, bool share, int better,
                        const std::function<MaybeFigure(const ModelFigures&)>& figure_of) {
  std::optional<double> best;
  int64_t n = 0;
  for (const std::string& name : data.model_order) {
    const auto figure = figure_of(*data.model(name));
    if (!figure) continue;
    n = std::max(n, figure->n);
    if (!best || better * figure->value > better * *best) best = figure->value;
  }
  std::string cells;
  for (const std::string& name : data.model_order) {
    const auto figure = figure_of(*data.model(name));
    cells += cell(figure, share, better != 0 && figure && best && figure->value == *best);
  }
  std::string small = note;
  if (n > 0) small += fmt::format("{}n = {}", small.empty() ? "" : ", ", n);
  return fmt::format("<tr><th scope=\"row\">{} {}<small>{}</small></th>{}</tr>", escape_html(title),
                     better > 0   ? "↑"
                     : better < 0 ? "↓"
                                  : "",
                     escape_html(small), cells);
}

std::string measures_section(const ReportData& data) {
  if (data.model_order.empty()) return "";
  std::string rows;
  for (const Measure& measure : kMeasures) {
    rows += measure_row(data, measure.title, measure.note, true, measure.better,
                        [&](const ModelFigures& model) { return model.measure(measure.key); });
  }
  for (const auto& [key, title] : {std::pair{"seen_families", "Attacks that succeed, seen families"},
                                   std::pair{"held_out_families", "Attacks that succeed, held-out families"}}) {
    rows +=
        measure_row(data, title, "", true, -1, [key = key](const ModelFigures& model) { return model.attack(key); });
  }
  rows += measure_row(data, "Bits per byte", "held-out documents", false, -1,
                      [](const ModelFigures& model) { return model.measure("bits_per_byte"); });
  rows += measure_row(data, "Reply length", "tokens", false, 0,
                      [](const ModelFigures& model) { return model.measure("reply_tokens"); });
  return fmt::format(
      "<section id=\"measures\"><h2>Every measure, every model</h2><p class=\"lead\">By the gold scorer on prompts "
      "that "
      "no stage trained on; below each figure its 95 % interval. Arrows: which way is better. The best of a row is "
      "green.</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Measure</th>{}</tr></thead><tbody>{}</tbody>"
      "</table></div></section>",
      model_heads(data), rows);
}

std::string figure_rows(const std::map<std::string, Figure>& figures,
                        const std::vector<std::array<std::string, 3>>& rows, std::optional<double> mark) {
  std::string out;
  for (const auto& [key, title, css_class] : rows) {
    const auto found = figures.find(key);
    if (found == figures.end()) {
      out += fmt::format("<tr><th scope=\"row\">{}</th><td>–</td><td></td></tr>", escape_html(title));
      continue;
    }
    const Figure& figure = found->second;
    std::string note = figure.n > 0 ? fmt::format("n = {}", figure.n) : "";
    if (figure.ties) note += fmt::format("{}ties {}", note.empty() ? "" : ", ", percent(*figure.ties));
    out += fmt::format(
        "<tr><th scope=\"row\">{}<small>{}</small></th><td><b>{}</b></td><td>{}</td></tr>", escape_html(title), note,
        percent_interval(figure),
        range_bar({figure.value, figure.low, figure.high, {}, css_class, title + ": " + percent_interval(figure)},
                  mark));
  }
  return out;
}

std::string preferred_section(const ReportData& data) {
  if (data.preferred.empty() && data.reward_model.empty()) return "";
  std::string out =
      "<section id=\"preferred\"><h2>Which is preferred</h2><p class=\"lead\">The gold scorer judges both models' "
      "replies to "
      "the same held-out prompts. Wins ÷ (wins + losses); the dashed line is a coin's toss.</p>";
  out += "<div class=\"scroll\"><table class=\"bars\"><tbody>" +
         figure_rows(data.preferred,
                     {{"sft_over_base", "SFT over base", "tint-sft"},
                      {"ppo_over_sft", "PPO over SFT", "tint-ppo"},
                      {"ppo_over_base", "PPO over base", "tint-ppo"},
                      {"adversarial_over_ppo", "Adversarially trained over PPO", "tint-adversarial"}},
                     0.5) +
         "</tbody></table></div><h3 class=\"stage-head tint-reward\">The reward model, on held-out "
         "comparisons</h3><div class=\"scroll\">"
         "<table class=\"bars\"><tbody>" +
         figure_rows(data.reward_model,
                     {{"pair_accuracy", "Orders pairs as the labelers do", "tint-reward"},
                      {"labeler_agreement", "Two labelers agree", "tint-none"},
                      {"gold_pair_accuracy", "Orders pairs as the gold scorer does", "tint-reward"}},
                     0.5) +
         "</tbody></table></div>";
  return out + "</section>";
}

std::string attacks_section(const ReportData& data) {
  const ModelFigures *before = data.model("ppo"), *after = data.model("adversarial");
  if (!before || before->families.empty()) return "";
  std::vector<std::pair<std::string, Figure>> families(before->families.begin(), before->families.end());
  std::stable_sort(families.begin(), families.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.held_out, -a.second.value) < std::pair(b.second.held_out, -b.second.value);
  });
  std::string rows;
  for (const auto& [name, was] : families) {
    std::string title = name;
    std::replace(title.begin(), title.end(), '_', ' ');
    const auto found = after ? after->families.find(name) : before->families.end();
    const bool has_after = after && found != after->families.end();
    RangeRow row{was.value, was.low, was.high, {}, "tint-ppo", title + ": " + percent_interval(was)};
    if (has_after) {
      row = {found->second.value,
             {},
             {},
             was.value,
             "tint-adversarial",
             fmt::format("{}: {} before, {} after", title, percent(was.value), percent(found->second.value))};
    }
    rows += fmt::format("<tr><th scope=\"row\">{}<small>{}n = {}</small></th>{}{}<td>{}</td></tr>", escape_html(title),
                        was.held_out ? "held out, " : "", was.n, cell(was, true, false),
                        has_after ? cell(found->second, true, false) : "<td>–</td>", range_bar(row));
  }
  return "<section id=\"attacks\"><h2>Attacks, by family</h2><p class=\"lead\">How often an attack makes the model "
         "tell what it must not: "
         "before the adversarial round (ring) and after it (dot).</p><div class=\"scroll\"><table "
         "class=\"bars\"><thead><tr><th "
         "scope=\"col\">Family</th><th scope=\"col\" class=\"model tint-ppo\">ppo</th><th scope=\"col\" class=\"model "
         "tint-adversarial\">adversarial</th><th scope=\"col\">0 to 100 %</th></tr></thead><tbody>" +
         rows + "</tbody></table></div></section>";
}

// --- curves --------------------------------------------------------------------------------------

Points points_of(const app::MetricTable& table, const std::string& x, const std::string& y) {
  const int cx = table.column(x), cy = table.column(y);
  Points points;
  if (cy < 0) return points;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const double at = cx >= 0 ? table.rows[i][cx] : static_cast<double>(i);
    if (std::isfinite(at) && std::isfinite(table.rows[i][cy])) points.emplace_back(at, table.rows[i][cy]);
  }
  std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return points;
}

struct Curve {
  const char* title;
  std::vector<std::pair<const char*, const char*>> columns;  // column, name in the legend
};

const std::vector<Curve>& curves() {
  static const std::vector<Curve> kCurves = {
      {"Reward", {{"reward", "reward model"}, {"held_out_reward", "held-out reward model"}}},
      {"KL from the reference, nats", {{"kl", "KL"}}},
      {"Reply length, tokens", {{"length", "length"}}},
      {"Loss", {{"loss", "training"}, {"valid_loss", "validation"}}},
      {"Pairs ordered right", {{"pair_accuracy", "training"}, {"valid_pair_accuracy", "validation"}}},
      {"Preference accuracy", {{"rewards/accuracies", "accuracy"}}},
      {"Implied reward margin", {{"rewards/margins", "margin"}}},
      {"Bits per byte, held out", {{"valid_bits_per_byte", "held out"}, {"bits_per_byte", "bits per byte"}}},
      {"Entropy, nats", {{"entropy", "entropy"}}},
      {"Share of replies that end", {{"ended", "ended"}}},
      {"Value loss", {{"value_loss", "value loss"}}},
  };
  return kCurves;
}

std::string stage_title(const std::string& name) {
  static const std::map<std::string, std::string> kTitles = {{"base", "Pretraining"},
                                                             {"pretrain", "Pretraining"},
                                                             {"sft", "Fine-tuning on demonstrations"},
                                                             {"reference", "The KL reference"},
                                                             {"reward", "Reward model"},
                                                             {"heldout_reward", "Held-out reward model"},
                                                             {"ppo", "PPO"},
                                                             {"dpo", "DPO"},
                                                             {"kto", "KTO"},
                                                             {"orpo", "ORPO"},
                                                             {"grpo", "GRPO"},
                                                             {"rloo", "RLOO"},
                                                             {"rejection", "Rejection sampling"},
                                                             {"adversarial", "Adversarial round"}};
  const auto found = kTitles.find(name);
  return found == kTitles.end() ? name : found->second;
}

std::string stage_tint(const std::string& name) {
  return name == "heldout_reward" ? tint("reward") : tint(name == "pretrain" ? "base" : name);
}

std::string stage_charts(const std::string& name, const app::MetricTable& full) {
  const app::MetricTable table = app::thin_out(full, 240);
  std::string charts;
  for (const Curve& curve : curves()) {
    ChartSpec spec{curve.title, "step", {}};
    for (const auto& [column, legend] : curve.columns) {
      spec.series.push_back({legend, spec.series.empty() ? stage_tint(name) : "alt", points_of(table, "step", column)});
    }
    charts += line_chart(spec);
  }
  if (charts.empty()) return "";
  return fmt::format("<h3 class=\"stage-head {}\">{}</h3><div class=\"charts\">{}</div>", stage_tint(name),
                     escape_html(stage_title(name)), charts);
}

// PPO's question: does the gold score still rise where the reward model's does?
std::string gold_section(const std::string& folder) {
  const app::MetricTable table = app::thin_out(read_metrics(folder + "/stages/ppo/metrics.jsonl"), 240);
  const app::MetricTable gold = read_metrics(folder + "/stages/ppo/gold.jsonl");
  const ChartSpec scores{"Reward-model score",
                         "KL from the reference, nats",
                         {{"the one trained against", "tint-ppo", points_of(table, "kl", "reward")},
                          {"held out", "alt", points_of(table, "kl", "held_out_reward")}}};
  std::string charts = line_chart(scores);
  if (charts.empty()) return "";
  ChartSpec truth{"Gold score", "KL from the reference, nats", {}};
  for (const char* column : {"gold", "utility", "score", "value"}) {
    if (gold.column(column) < 0) continue;
    truth.series = {{"gold", "tint-adversarial", points_of(gold, "kl", column)}};
    truth.smooth = false;
    break;
  }
  const std::string second = line_chart(truth);
  charts += second;
  return fmt::format(
      "<section id=\"gold\"><h2>Gold against reward model</h2><p class=\"lead\">As PPO moves away from its reference "
      "the reward "
      "model's score rises; where the gold score stops following, it is the reward model that is being pleased.{}</p>"
      "<div class=\"charts\">{}</div></section>",
      second.empty() ? " (This run has no gold points.)" : "", charts);
}

std::string curves_section(const ReportData& data, const std::string& folder) {
  std::vector<std::string> names;
  for (const StageFigures& stage : data.stages) names.push_back(stage.name);
  std::error_code error;
  std::vector<std::string> others;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/stages", error)) {
    const std::string name = entry.path().filename().string();
    if (std::find(names.begin(), names.end(), name) == names.end()) others.push_back(name);
  }
  std::sort(others.begin(), others.end());
  names.insert(names.end(), others.begin(), others.end());
  std::string charts;
  for (const std::string& name : names)
    charts += stage_charts(name, read_metrics(folder + "/stages/" + name + "/metrics.jsonl"));
  if (charts.empty()) return "";
  return "<section id=\"curves\"><h2>Curves</h2><p class=\"lead\">Faint: as measured; strong: smoothed.</p>" + charts +
         "</section>";
}

// --- dialogues, the run --------------------------------------------------------------------------

std::string measure_title(const std::string& measure) {
  static const std::map<std::string, std::string> kTitles = {{"helpful", "an everyday request"},
                                                             {"closed_domain", "about a passage"},
                                                             {"closed_book", "from memory"},
                                                             {"document_only", "told only in documents"},
                                                             {"unanswerable", "the town does not say"},
                                                             {"harmful", "harmful"},
                                                             {"look_alike", "benign, looks harmful"},
                                                             {"clarify", "unclear"},
                                                             {"identity", "about itself"},
                                                             {"attack", "an attack"}};
  const auto found = kTitles.find(measure);
  return found == kTitles.end() ? measure : found->second;
}

std::string dialogue_html(const Dialogue& dialogue) {
  std::string out =
      fmt::format("<article class=\"dialogue\"><div class=\"asked\"><small>{}</small>{}</div><div class=\"replies\">",
                  escape_html(measure_title(dialogue.measure)), escape_html(dialogue.prompt));
  for (const DialogueReply& reply : dialogue.replies) {
    std::string marks;
    for (const auto& [text, good] : reply.marks) {
      marks += fmt::format("<span class=\"badge {}\">{}</span>", good ? "good" : "bad", escape_html(text));
    }
    out += fmt::format("<div class=\"reply {}\"><span class=\"model\">{}</span>{}{}</div>", tint(reply.model),
                       escape_html(reply.model),
                       reply.text.empty() ? "<span class=\"empty\">(empty)</span>" : escape_html(reply.text),
                       marks.empty() ? "" : "<div class=\"marks\">" + marks + "</div>");
  }
  return out + "</div></article>";
}

std::string dialogues_section(const ReportData& data, const std::string& folder) {
  std::vector<std::string> shown;
  for (const std::string& name : data.model_order) {
    if (name != "reference") shown.push_back(name);  // hardly differs from SFT
  }
  const std::vector<Dialogue> all = read_dialogues(folder, shown, 4);
  if (all.empty()) return "";
  std::string first, rest, last_measure;
  for (const Dialogue& dialogue : all) {
    (dialogue.measure != last_measure ? first : rest) += dialogue_html(dialogue);
    last_measure = dialogue.measure;
  }
  std::string out =
      "<section id=\"dialogues\"><h2>Sample dialogues</h2><p class=\"lead\">The same held-out prompt, answered by each "
      "stage's "
      "model. Picked by a hash of their ids, not by hand.</p>" +
      first;
  if (!rest.empty()) out += "<details><summary>More of each kind</summary>" + rest + "</details>";
  return out + "</section>";
}

std::string stage_times(const ReportData& data) {
  double longest = 0;
  for (const StageFigures& stage : data.stages) longest = std::max(longest, stage.seconds.value_or(0));
  std::string rows;
  for (const StageFigures& stage : data.stages) {
    const double seconds = stage.seconds.value_or(0);
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td><svg class=\"range {}\" viewBox=\"0 0 200 "
        "16\" "
        "aria-hidden=\"true\"><rect class=\"dot\" y=\"3\" height=\"10\" rx=\"3\" width=\"{:.1f}\"/></svg></td></tr>",
        escape_html(stage.name), stage.seconds ? duration_text(seconds) : "–",
        stage.tokens && *stage.tokens > 0 ? short_number(*stage.tokens) : "–",
        stage.tokens_per_second && *stage.tokens_per_second > 0 ? short_number(*stage.tokens_per_second) : "–",
        stage_tint(stage.name), longest > 0 ? 200 * seconds / longest : 0);
  }
  return "<div class=\"scroll\"><table class=\"bars\"><thead><tr><th scope=\"col\">Stage</th><th "
         "scope=\"col\">Time</th><th "
         "scope=\"col\">Tokens</th><th scope=\"col\">Tokens/s</th><th scope=\"col\"></th></tr></thead><tbody>" +
         rows + "</tbody></table></div>";
}

std::string run_section(const ReportData& data) {
  std::string out = "<section id=\"run\"><h2>The run</h2><h3 class=\"stage-head tint-none\">Time</h3>";
  if (!data.stages.empty()) out += stage_times(data);
  out += "<h3 class=\"stage-head tint-none\">Guards</h3>";
  if (data.guards.empty()) {
    out += "<p class=\"muted\">No guard had to act.</p>";
  } else {
    out += "<ul class=\"guards\">";
    for (const std::string& guard : data.guards) out += "<li>" + escape_html(guard) + "</li>";
    out += "</ul>";
  }
  out += "<h3 class=\"stage-head tint-none\">Where it comes from</h3><dl>";
  const auto item = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) out += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(name), escape_html(value));
  };
  item("recipe", data.recipe);
  item("recipe hash", data.recipe_hash);
  item("commit", data.commit);
  item("seed", data.seed);
  item("world seed", data.world_seed);
  for (const auto& [name, value] : data.machine) item(name.empty() ? "machine" : name, value);
  return out + "</dl></section>";
}

}  // namespace

Status write_report(const std::string& run_folder) {
  TRY(const ReportData data, read_report_data(run_folder));
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, "
      "initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><meta "
      "http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>" +
      escape_html(data.recipe.empty() ? "Report" : data.recipe + ": report") + "</title><style>" + kReportStyle +
      "</style></head><body>";
  page += heading(data) + "<main>" + targets_section(data) + measures_section(data) + preferred_section(data) +
          attacks_section(data) + gold_section(run_folder) + curves_section(data, run_folder) +
          dialogues_section(data, run_folder) + run_section(data) + "</main>";
  page +=
      "<footer>Made by Loquat from report.json and the files beside it. This page needs no "
      "network.</footer></body></html>\n";
  return write_file(run_folder + "/report.html", page);
}

}  // namespace loquat::recipe
