// The program's verbs, one file each (<name>_verb.cc). A verb adds its subcommand to `app` and, when it is chosen, runs
// in the subcommand's callback and leaves the exit status in `exit_code`: 0 done, 1 the program's own failure, 2 bad
// input, 3 a guard that could not recover.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace loquat {

void add_recipe_verb(CLI::App& app, int& exit_code);
void add_stage_verbs(CLI::App& app, int& exit_code);  // pretrain, sft, reward, ppo, dpo, kto, orpo, grpo, ...
void add_eval_verb(CLI::App& app, int& exit_code);
void add_compare_verb(CLI::App& app, int& exit_code);
void add_data_verb(CLI::App& app, int& exit_code);  // inspect, convert, split
void add_town_verb(CLI::App& app, int& exit_code);
void add_tokenizer_verb(CLI::App& app, int& exit_code);
void add_chat_verb(CLI::App& app, int& exit_code);
void add_serve_verb(CLI::App& app, int& exit_code);
void add_keys_verb(CLI::App& app, int& exit_code);
void add_feedback_verb(CLI::App& app, int& exit_code);
void add_people_verb(CLI::App& app, int& exit_code);  // invite, list, disable, roles
void add_bench_verb(CLI::App& app, int& exit_code);
void add_quantize_verb(CLI::App& app, int& exit_code);
void add_merge_verb(CLI::App& app, int& exit_code);
void add_models_verb(CLI::App& app, int& exit_code);

// --weights, for weight_type (kernels/quantize.h): bf16 (as the folder has them, or those of --precision), int8 or
// int4.
CLI::Option* add_weights_option(CLI::App& verb, std::string& name);

// --database: of keys, people and what they write; $LOQUAT_DATABASE, else loquat.db here, where it is not given.
void add_database_option(CLI::App& verb, std::string& database);
// A file that is not there, or is empty, is none: only what makes a database may take it for one.
bool is_database(const std::string& name);

// "-1" is no seed (CLI11 would make a huge one of it).
CLI::Option* add_seed_option(CLI::App& verb, const std::string& name, uint64_t& seed, const std::string& help);

// Of a path that is not a model's folder: what it is instead, and what to name.
Status check_model_path(const std::string& path);
// Of a line without a verb, or with a word where a verb is expected: what is expected.
Status check_verb(CLI::App& app, int argc, const char* const* argv);

// Prints "loquat: MESSAGE" on stderr and returns 2.
int bad_input(const std::string& message);

}  // namespace loquat
