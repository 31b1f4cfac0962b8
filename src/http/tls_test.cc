// TLS over real sockets, with certificates that are made here.
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "http/test_client.h"

namespace loquat::http {
namespace {

using testing::HasSubstr;

struct Key {
  EVP_PKEY* pkey = ::EVP_EC_gen("P-256");
  ~Key() { ::EVP_PKEY_free(pkey); }
};

void write_key(const std::string& file, const Key& key, const char* passphrase = nullptr) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  ASSERT_TRUE(out);
  ::PEM_write_PrivateKey(out, key.pkey, passphrase ? ::EVP_aes_128_cbc() : nullptr, nullptr, 0, nullptr,
                         const_cast<char*>(passphrase));
  std::fclose(out);
}

// A certificate for `key`, signed by `issuer`'s.
void add_certificate(const std::string& file, const Key& key, const std::string& name, const Key& issuer,
                     const std::string& issuer_name, const char* mode) {
  X509* cert = ::X509_new();
  ::ASN1_INTEGER_set(::X509_get_serialNumber(cert), static_cast<long>(std::hash<std::string>()(name) % 100000));
  ::X509_gmtime_adj(::X509_getm_notBefore(cert), -3600);
  ::X509_gmtime_adj(::X509_getm_notAfter(cert), 3600);
  ::X509_set_pubkey(cert, key.pkey);
  const auto add = [](X509_NAME* to, const std::string& text) {
    ::X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1,
                                 0);
  };
  add(::X509_get_subject_name(cert), name);
  add(::X509_get_issuer_name(cert), issuer_name);
  ::X509_sign(cert, issuer.pkey, ::EVP_sha256());
  std::FILE* out = std::fopen(file.c_str(), mode);
  ASSERT_TRUE(out);
  ::PEM_write_X509(out, cert);
  std::fclose(out);
  ::X509_free(cert);
}

// A client that speaks TLS over a Socket, blocking.
class TlsClient {
 public:
  TlsClient(int port, int most_version = TLS1_3_VERSION)
      : socket(port), context_(::SSL_CTX_new(::TLS_client_method())) {
    ::SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    ::SSL_CTX_set_max_proto_version(context_, most_version);
    ::SSL_CTX_set_security_level(context_, 0);
    ssl_ = ::SSL_new(context_);
    ::SSL_set_fd(ssl_, socket.fd());
    connected = ::SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    ::SSL_free(ssl_);
    ::SSL_CTX_free(context_);
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }
  bool more() {
    char buffer[16384];
    const int n = ::SSL_read(ssl_, buffer, sizeof(buffer));
    if (n > 0) received.append(buffer, static_cast<size_t>(n));
    if (n <= 0) end = ::SSL_get_error(ssl_, n);
    return n > 0;
  }
  bool until(std::string_view text) {
    while (received.find(text) == std::string::npos) {
      if (!more()) return false;
    }
    return true;
  }
  const std::string& all() {
    while (more()) {
    }
    return received;
  }
  int chain() const { return sk_X509_num(::SSL_get_peer_cert_chain(ssl_)); }
  std::string version() const { return ::SSL_get_version(ssl_); }

  Socket socket;
  bool connected = false;
  int end = 0;
  std::string received;

 private:
  SSL_CTX* context_;
  SSL* ssl_;
};

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    ::signal(SIGPIPE, SIG_IGN);  // this client's own
    folder_ = std::filesystem::temp_directory_path() / ("loquat-tls-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    options_.tls_cert = file("cert.pem");
    options_.tls_key = file("key.pem");
    options_.port = 0;
    write_key(options_.tls_key, key_);
    add_certificate(options_.tls_cert, key_, "localhost", authority_, "authority", "w");
    add_certificate(options_.tls_cert, authority_, "authority", authority_, "authority", "a");
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  std::string failure(ServerOptions options) {
    const auto server = Server::start(options, [](Request&&, std::shared_ptr<Reply>) {});
    return server.ok() ? "it starts" : server.error();
  }

  std::filesystem::path folder_;
  Key key_, authority_;
  ServerOptions options_;
};

TEST_F(TlsTest, Answers) {
  start(options_);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server_->port(), version);
    ASSERT_TRUE(client.connected);
    EXPECT_EQ(client.chain(), 2);
    EXPECT_EQ(client.version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    client.send(get_bytes("/echo"));
    ASSERT_TRUE(client.until("\"secure\":true}"));
    client.send(post_bytes("/echo", std::string(200'000, 'b'), "Connection: close\r\n"));
    EXPECT_THAT(client.all(), HasSubstr("\"bytes\":200000"));
    EXPECT_EQ(client.end, SSL_ERROR_ZERO_RETURN);  // the end is said, not cut
  }
  TlsClient old(server_->port(), TLS1_1_VERSION);
  EXPECT_FALSE(old.connected);
  Socket plain(server_->port());
  plain.send(get_bytes("/echo"));
  EXPECT_EQ(plain.all().find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(TlsTest, StreamsAndLargeAnswers) {
  start(options_);
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected);
  client.send(get_bytes("/stream"));
  ASSERT_TRUE(client.until("\r\n0\r\n\r\n"));
  client.received.clear();
  std::string body;
  for (int i = 0; i < 4'000'000; ++i) body += static_cast<char>('a' + i * 7 % 26);
  client.send(get_bytes("/hold", "Connection: close\r\n"));
  next_held()->send({200, {}, body});
  EXPECT_EQ(parse_answer(client.all()).body, body);
}

TEST_F(TlsTest, GoneAsSoonAsTheClientCloses) {
  start(options_);
  Flag gone;
  TlsClient client(server_->port());
  client.send(get_bytes("/hold"));
  const auto reply = next_held();
  reply->on_gone([&] { gone.set(); });
  client.socket.close();
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(TlsTest, ASlowHandshakeIsClosed) {
  options_.header_seconds = 0.3;
  start(options_);
  Socket silent(server_->port()), partial(server_->port());
  partial.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_EQ(silent.all(), "");
  EXPECT_EQ(partial.all(), "");
}

TEST_F(TlsTest, FilesThatCannotBeUsed) {
  EXPECT_THAT(failure(options_), HasSubstr("it starts"));
  ServerOptions options = options_;
  options.tls_key = "";
  EXPECT_THAT(failure(options), HasSubstr("both a certificate and its key"));
  options.tls_key = file("none.pem");
  EXPECT_THAT(failure(options), HasSubstr("none.pem: not a readable key"));
  options.tls_key = file("other.pem");
  write_key(options.tls_key, authority_);
  EXPECT_THAT(failure(options), HasSubstr("does not belong to the certificate"));
  write_key(options.tls_key, key_, "secret");
  EXPECT_THAT(failure(options), HasSubstr("without a passphrase"));
  options = options_;
  options.tls_cert = file("junk.pem");
  EXPECT_THAT(failure(options), HasSubstr("junk.pem: not a readable certificate"));
  std::ofstream(options.tls_cert) << "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(failure(options), HasSubstr("junk.pem: not a readable certificate"));
}

}  // namespace
}  // namespace loquat::http
