#include "common/curve_key.h"

#include <gtest/gtest.h>

namespace promptcache {
namespace {

// Two pairs that the manual of libzmq prints.
struct Pair {
  const char* secret_key;
  const char* public_key;
};
constexpr Pair kPairs[] = {
    {"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"},
    {"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"}};

TEST(CurveKey, PublicKeysFollowFromSecretOnesAsInTheManual) {
  for (const Pair& pair : kPairs) {
    const CurveSecretKey key = CurveSecretKey::FromZ85(pair.secret_key).value();
    EXPECT_EQ(ToZ85(key.public_key()), pair.public_key);
    EXPECT_EQ(key.ToZ85(), pair.secret_key);
  }
}

TEST(CurveKey, Z85ComesBack) {
  for (int i = 0; i < 100; ++i) {
    const CurvePublicKey key = CurveSecretKey::Generate().public_key();
    EXPECT_EQ(CurvePublicKeyFromZ85(ToZ85(key)).value(), key);
  }
  const CurvePublicKey none{};
  EXPECT_EQ(CurvePublicKeyFromZ85(ToZ85(none)).value(), none);
}

TEST(CurveKey, TextThatIsNoKeyIsRefusedAndNotQuoted) {
  const std::string good = kPairs[0].secret_key;
  for (const std::string& text :
       {std::string(), good.substr(1), good + "0", "~" + good.substr(1), " " + good.substr(1),
        "#####" + good.substr(5)}) {  // the last one is beyond 32 bits
    for (const Status& status :
         {CurvePublicKeyFromZ85(text).status(), CurveSecretKey::FromZ85(text).status()}) {
      EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
      EXPECT_EQ(status.message().find(good.substr(5)), std::string::npos);
    }
  }
}

TEST(CurveKey, WipingOverwritesTheBytesOfTheText) {
  std::string text = "a secret that is too long for the object itself";
  const char* const bytes = text.data();
  const size_t size = text.size();
  Wipe(text);
  EXPECT_TRUE(text.empty());
  for (size_t i = 0; i < size; ++i) EXPECT_EQ(bytes[i], '\0');
}

}  // namespace
}  // namespace promptcache
