// The whole server over real sockets: the page, a run's files, a model's replies, keys. What the API says in detail is
// tested in api/, HTTP in src/http.
#include "app/run_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "app/page_assets.h"
#include "app/run_files.h"
#include "base/log.h"
#include "http/test_client.h"
#include "serve/access/access.h"
#include "serve/test_models.h"
#include "store/bytes.h"

namespace loquat::app {
namespace {

using http::Answer;
using http::Json;
using http::Socket;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string unpacked(const std::string& path) {
  std::string out, piece(1 << 16, 0);
  const auto source = open_bytes(path);
  while (source.ok()) {
    const Result<size_t> got = (*source)->read(piece.data(), piece.size());
    if (!got.ok() || *got == 0) break;
    out.append(piece, 0, *got);
  }
  return out;
}

class RunServerTest : public testing::Test {
 protected:
  RunServerTest() { start({}); }

  void start(RunServerOptions options) {
    server_.reset();
    options.http.port = 0;
    options.models.model.compute = DType::kF32;
    options.log = [this](const std::string& line) {
      std::lock_guard lock(mutex_);
      log_ += line + "\n";
    };
    auto started = RunServer::start(folder_.path(), options);
    ASSERT_TRUE(started.ok()) << started.error();
    server_ = *std::move(started);
  }
  Answer raw(const std::string& bytes) {
    Socket socket(server_->port());
    socket.send(bytes);
    return http::parse_answer(socket.all());
  }
  Answer get(const std::string& path, const std::string& headers = "") {
    return raw("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
  }
  static std::string post_bytes(const std::string& path, const std::string& body, const std::string& headers = "") {
    return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
           "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  Answer post(const std::string& path, const Json& body, const std::string& headers = "") {
    return raw(post_bytes(path, body.dump(), headers));
  }
  static Json chat(const std::string& text, int max_tokens = 12) {
    return {{"model", "sft"},
            {"messages", {{{"role", "user"}, {"content", text}}}},
            {"max_tokens", max_tokens},
            {"seed", 5}};
  }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder_ / name).parent_path());
    put_bytes(folder_ / name, text);
  }

  TestFolder folder_;
  std::mutex mutex_;
  std::string log_;
  std::unique_ptr<RunServer> server_;
};

TEST_F(RunServerTest, ThePage) {
  const std::string page = get("/").body;
  EXPECT_THAT(page, HasSubstr("<!doctype html>"));
  // its policy allows neither: a page that has them would be broken
  EXPECT_EQ(page.find("style=\""), std::string::npos);
  EXPECT_EQ(page.find("<style"), std::string::npos);
  EXPECT_EQ(page.find(" onclick"), std::string::npos);
  // the page's own router reads the path
  for (const char* path : {"/c/4f1a", "/run", "/blind", "/settings", "/studio", "/studio/p/7", "/people", "/join/x",
                           "/reviews", "/reviews/4f1a"})
    EXPECT_EQ(get(path).body, page) << path;
  http::expect_error(get("/nothing"), 404);
  http::expect_error(get("/assets/nothing.js"), 404);
  http::expect_error(post("/favicon.svg", {}), 405);
}

TEST_F(RunServerTest, EveryFileOfThePage) {
  ASSERT_GE(page_assets().size(), 3u);
  for (const PageAsset& asset : page_assets()) {
    const std::string path(asset.path), tag(asset.etag);
    const Answer plain = get(path);
    EXPECT_EQ(plain.status, 200) << path;
    EXPECT_EQ(plain.body, asset.bytes) << path;
    EXPECT_THAT(plain.head, HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self'"));
    EXPECT_EQ(plain.head.find("unsafe"), std::string::npos);
    EXPECT_EQ(plain.head.find("Content-Encoding"), std::string::npos);
    EXPECT_THAT(plain.head, HasSubstr(path.starts_with("/assets/") ? "immutable" : "no-cache")) << path;
    EXPECT_THAT(plain.head, HasSubstr("Vary: Accept-Encoding"));

    const Answer packed = get(path, "Accept-Encoding: br, gzip;q=0.8\r\n");
    EXPECT_EQ(packed.body, asset.gzip.empty() ? asset.bytes : asset.gzip) << path;
    EXPECT_EQ(packed.head.find("Content-Encoding: gzip") != std::string::npos, !asset.gzip.empty()) << path;
    if (!asset.gzip.empty()) {
      put_bytes(folder_ / "packed.gz", packed.body);
      EXPECT_EQ(unpacked(folder_ / "packed.gz"), asset.bytes) << path;
    }
    EXPECT_EQ(get(path, "Accept-Encoding: gzip;q=0\r\n").body, asset.bytes) << path;

    const Answer same = get(path, "If-None-Match: " + tag + "\r\n");
    EXPECT_EQ(same.status, 304) << path;
    EXPECT_EQ(same.body, "");
  }
}

TEST_F(RunServerTest, TheRun) {
  EXPECT_EQ(get("/api/app/run/progress").json()["state"], "pending");
  EXPECT_TRUE(get("/api/app/run/curves").json()["stages"].empty());
  EXPECT_GE(get("/api/app/run/suggestions").json()["suggestions"].size(), 1u);
  http::expect_error(get("/api/app/run/report"), 404);
  EXPECT_EQ(get("/report.html").status, 404);

  write("stages/pretrain/metrics.jsonl",
        "{\"step\":1,\"loss\":4.0}\n{\"step\":2,\"loss\":3.5,\"note\":\"x\"}\n{\"step\":3,\"loss\":3.0}\n"
        "{\"step\":2,\"loss\":3.25,\"lr\":0.1}\n{\"step\":3,\"lo");
  const Json curves = get("/api/app/run/curves").json();
  ASSERT_EQ(curves["stages"].size(), 1u) << curves;
  EXPECT_EQ(curves["stages"][0]["columns"], Json({"step", "loss", "lr"}));
  EXPECT_EQ(curves["stages"][0]["rows"], Json({{1, 4, nullptr}, {2, 3.25, 0.1}}));
  EXPECT_EQ(get("/api/app/run/progress").json()["stages"][0]["state"], "running");

  write("progress.json", R"({"state":"running","stages":[{"name":"pretrain","state":"done"}]})");
  EXPECT_EQ(get("/api/app/run/progress").json()["stages"][0]["state"], "done");
  write("progress.json", R"({"state":"runn)");
  EXPECT_EQ(get("/api/app/run/progress").json()["state"], "running");

  write(
      "eval/sft/replies.jsonl",
      "{\"id\":\"1\",\"measure\":\"harmful\",\"prompt\":\"How do I make choking smoke?\",\"reply\":\"No.\"}\n"
      "{\"id\":\"2\",\"measure\":\"closed_book\",\"prompt\":[{\"role\":\"user\",\"content\":\"When does it open?\"}]}\n"
      "not json\n{\"measure\":\"identity\",\"prompt\":\"two\\nlines\"}\n");
  EXPECT_EQ(get("/api/app/run/suggestions").json()["suggestions"],
            Json({"When does it open?", "How do I make choking smoke?"}));

  write("report.json", R"({"recipe":"town"})");
  EXPECT_EQ(get("/api/app/run/report").json()["recipe"], "town");
  write("report.html", "<!doctype html>the report");
  EXPECT_THAT(get("/report.html").body, HasSubstr("the report"));
  EXPECT_THAT(get("/report.html").head, HasSubstr("default-src 'none'"));
}

TEST_F(RunServerTest, RepliesTheSameAloneAndInACrowd) {
  serve::write_model(folder_ / "models/sft", 1);
  const Answer alone = post("/v1/chat/completions", chat("Where?"));
  ASSERT_EQ(alone.status, 200) << alone.body;
  const std::string text = alone.json()["choices"][0]["message"]["content"];
  EXPECT_THAT(alone.head, HasSubstr("x-request-id"));
  std::vector<std::unique_ptr<Socket>> crowd;
  for (int i = 0; i < 40; ++i) {
    Json body = chat(i % 2 ? "Where?" : "Who are you?");
    body["stream"] = true;
    crowd.push_back(std::make_unique<Socket>(server_->port()));
    crowd.back()->send(post_bytes("/v1/chat/completions", body.dump()));
  }
  for (int i = 0; i < 40; ++i) {
    const Answer answer = http::parse_answer(crowd[i]->all());
    ASSERT_THAT(answer.body, testing::EndsWith("data: [DONE]\n\n"));
    std::string joined;
    for (size_t at = 0; (at = answer.body.find("data: {", at)) != std::string::npos; ++at) {
      const Json event = Json::parse(answer.body.substr(at + 6, answer.body.find("\n\n", at) - at - 6));
      for (const Json& choice : event["choices"]) joined += choice["delta"].value("content", "");
    }
    if (i % 2) {
      EXPECT_EQ(joined, text) << i;
    }
  }
  std::lock_guard lock(mutex_);
  EXPECT_EQ(log_.find("Where"), std::string::npos) << "what people write is not logged";
  EXPECT_THAT(log_, HasSubstr("/v1/chat/completions"));
}

TEST_F(RunServerTest, RepliesFollowASchema) {
  serve::write_model(folder_ / "models/sft", 1, HeadKind::kLanguage, 512);
  Json body = chat("Where?", 60);
  body["response_format"] = {{"type", "json_schema"},
                             {"json_schema",
                              {{"name", "place"},
                               {"schema",
                                {{"type", "object"},
                                 {"properties", {{"open", {{"type", "boolean"}}}, {"street", {{"type", "string"}}}}},
                                 {"required", {"open", "street"}},
                                 {"additionalProperties", false}}}}}};
  for (int seed = 0; seed < 5; ++seed) {
    body["seed"] = seed;
    const Answer answer = post("/v1/chat/completions", body);
    ASSERT_EQ(answer.status, 200) << answer.body;
    const Json choice = answer.json()["choices"][0];
    const Json place = Json::parse(choice["message"]["content"].get<std::string>(), nullptr, false);
    ASSERT_TRUE(place.is_object()) << choice;
    EXPECT_TRUE(place["open"].is_boolean() && place["street"].is_string() && place.size() == 2) << place;
    EXPECT_EQ(choice["finish_reason"], "stop");
  }
  body["max_tokens"] = 10;
  const Answer small = post("/v1/chat/completions", body);
  http::expect_error(small, 400);
  EXPECT_EQ(small.json()["error"]["param"], "max_tokens");
}

TEST_F(RunServerTest, OnlyThisMachinesPagesReachIn) {
  http::expect_error(raw("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), 403);
  http::expect_error(get("/", "Origin: https://evil.example\r\n"), 403);
  http::expect_error(get("/v1/models", "Sec-Fetch-Site: cross-site\r\n"), 403);
  http::expect_error(raw("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                         "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
                     415);
}

TEST_F(RunServerTest, ThePageChatsWithAModel) {
  serve::write_model(folder_ / "models/sft", 1);
  const Json chat = post("/api/app/conversations", {{"sampling", {{"max_tokens", 8}}}}).json();
  const std::string at = "/api/app/conversations/" + chat["id"].get<std::string>();
  const Json made = post(at + "/messages", {{"content", "Where?"}, {"tab", "t"}}).json();
  Json reply = made["reply"];
  for (int i = 0; i < 2000 && reply["state"] == "writing"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    reply = get(at).json()["messages"][1];
  }
  EXPECT_TRUE(reply["state"] == "done" || reply["state"] == "cut") << reply;
  EXPECT_EQ(reply["model"], "sft");
  EXPECT_GT(reply["usage"]["prompt_tokens"], 0);
  server_.reset();
  start({});
  EXPECT_EQ(get(at).json()["messages"][1]["content"], reply["content"]);
}

TEST_F(RunServerTest, AFolderThatCannotBeWrittenIsServed) {
  server_.reset();
  RunServerOptions options;
  options.http.port = 0;
  auto started = RunServer::start("/proc/self", options);
  ASSERT_TRUE(started.ok()) << started.error();
  server_ = *std::move(started);
  EXPECT_EQ(post("/api/app/conversations", {{"title", "kept for now"}}).status, 200);
}

TEST_F(RunServerTest, WhatIsWrongWithAModelIsSaidAtTheStart) {
  serve::write_model(folder_ / "models/sft", 1);
  serve::write_model(folder_ / "models/ppo", 1);
  put_bytes(folder_ / "models/ppo/model.safetensors", "damaged");
  const std::string log = folder_ / "log";
  const int file = ::open(log.c_str(), O_CREAT | O_WRONLY, 0600);
  set_log_output(file, false);
  start({});
  set_log_output(STDERR_FILENO, false);
  ::close(file);
  EXPECT_THAT(*read_file(log),
              HasSubstr("the model ppo is not served: " + (folder_ / "models/ppo/model.safetensors: ")));
  ASSERT_EQ(get("/v1/models").json()["data"].size(), 1u);
  EXPECT_EQ(post("/v1/chat/completions", chat("Where?")).status, 200);
  Json body = chat("Where?");
  body["model"] = "ppo";
  const Answer refused = post("/v1/chat/completions", body);
  http::expect_error(refused, 500);
  EXPECT_THAT(refused.body, AllOf(HasSubstr("ppo/model.safetensors: "), Not(HasSubstr(folder_.path()))));
}

TEST_F(RunServerTest, AModelsOwnFolderMustBeSound) {
  serve::write_model(folder_ / "mine", 1);
  put_bytes(folder_ / "mine/model.safetensors", "damaged");
  RunServerOptions options;
  options.http.port = 0;
  const auto started = RunServer::start(folder_ / "mine", options);
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.error(), HasSubstr(folder_ / "mine/model.safetensors: "));
  EXPECT_FALSE(file_exists(folder_ / "mine/app.db"));
}

TEST_F(RunServerTest, KeysAreNeededWhereThereIsADatabase) {
  serve::write_model(folder_ / "models/sft", 1);
  RunServerOptions options;
  options.database = folder_ / "keys.db";
  std::string key, admin;
  {
    auto opened = serve::open_keys(options.database);
    ASSERT_TRUE(opened.ok()) << opened.error();
    const auto make = [&](const std::string& name, bool is_admin) {
      serve::Key wanted;
      wanted.name = name;
      wanted.admin = is_admin;
      auto made = opened->keys->create(wanted);
      EXPECT_TRUE(made.ok()) << made.error();
      return made.ok() ? made->text : std::string();
    };
    key = "Authorization: Bearer " + make("user", false) + "\r\n";
    admin = "Authorization: Bearer " + make("boss", true) + "\r\n";
  }
  start(options);
  EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(get("/health").status, 200);
  const Answer none = get("/v1/models");
  http::expect_error(none, 401);
  EXPECT_THAT(none.head, HasSubstr("WWW-Authenticate"));
  EXPECT_EQ(get("/v1/models", key).status, 200);
  EXPECT_EQ(post("/v1/chat/completions", chat("Where?"), key).status, 200);
  http::expect_error(get("/metrics", key), 403);
  const std::string metrics = get("/metrics", admin).body;
  EXPECT_THAT(metrics, HasSubstr("loquat_requests_total"));
  EXPECT_THAT(metrics, HasSubstr("\nloquat_sequences_running{model=\"sft\"} 0\n"));
  http::expect_error(post("/admin/models/sft/unload", {}, key), 403);
  EXPECT_EQ(post("/admin/models/sft/unload", {}, admin).status, 200);
}

TEST_F(RunServerTest, ListeningElsewhereNeedsKeysAndTls) {
  RunServerOptions options;
  options.http.host = "0.0.0.0";
  options.http.port = 0;
  EXPECT_FALSE(RunServer::start(folder_.path(), options).ok());
}

TEST_F(RunServerTest, RunningRepliesEndWithinTheGracePeriod) {
  serve::write_model(folder_ / "models/sft", 1, HeadKind::kLanguage, 2048);
  Json body = chat("Where?", 1500);
  body["stream"] = true;
  for (const char* stop : {"<|end|>", "<|endoftext|>"})
    body["logit_bias"][std::to_string(serve::test_tokenizer().special(stop))] = -100;
  Socket socket(server_->port());
  socket.send(post_bytes("/v1/chat/completions", body.dump()));
  ASSERT_TRUE(socket.until("\"content\":\""));
  server_->stop();
  EXPECT_THAT(socket.all(), HasSubstr("data: [DONE]"));
  EXPECT_THAT(socket.received, HasSubstr("\"finish_reason\":\"length\""));
}

TEST(Metrics, ThinOutKeepsTheEndsAndMeans) {
  MetricTable table{{"step", "loss"}, {}};
  for (int i = 1; i <= 1000; ++i) table.rows.push_back({double(i), double(i)});
  const MetricTable thin = thin_out(table, 10);
  ASSERT_EQ(thin.rows.size(), 10u);
  EXPECT_EQ(thin.rows[0], (std::vector<double>{100, 50.5}));
  EXPECT_EQ(thin.rows[9], (std::vector<double>{1000, 950.5}));
  EXPECT_EQ(thin_out(table, 2000).rows.size(), 1000u);
}

}  // namespace
}  // namespace loquat::app
