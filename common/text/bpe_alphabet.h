// The alphabet in which byte-level vocabularies are written: each byte is one printable character.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace promptcache {

// The bytes that a written token stands for; nullopt when a character is not in the alphabet.
std::optional<std::string> AlphabetToBytes(std::string_view written);
// The other way round.
std::string BytesToAlphabet(std::string_view bytes);

}  // namespace promptcache
