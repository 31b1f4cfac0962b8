// What is sealed is opened by its secret and for its purpose alone.
#include "people/secret_box.h"

#include <gtest/gtest.h>

#include <array>

namespace loquat::people {
namespace {

TEST(SecretBox, OpensWhatItSealed) {
  std::array<unsigned char, 32> secret{1, 2, 3}, another = secret;
  another[31] = 4;
  const SecretBox box(secret), other(another);
  for (const std::string& text :
       {std::string(), std::string("sk-1"), std::string("茶\0!", 5), std::string(5000, 'k')}) {
    const std::string sealed = box.seal(text, "a");
    EXPECT_TRUE(is_sealed(sealed));
    EXPECT_NE(sealed, box.seal(text, "a")) << "two seals of one text tell that it is one";
    EXPECT_EQ(box.open(sealed, "a"), text);
    EXPECT_EQ(box.open(sealed, "b"), std::nullopt);
    EXPECT_EQ(other.open(sealed, "a"), std::nullopt);
    for (const size_t at : {size_t{0}, size_t{8}, sealed.size() / 2, sealed.size() - 2}) {
      std::string changed = sealed;
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      EXPECT_EQ(box.open(changed, "a"), std::nullopt) << at;
    }
    EXPECT_EQ(box.open(sealed.substr(0, sealed.size() / 2), "a"), std::nullopt);
  }
  EXPECT_EQ(box.open("sealed1.", "a"), std::nullopt);
  EXPECT_EQ(box.open("sk-1", "a"), std::nullopt);
}

}  // namespace
}  // namespace loquat::people
