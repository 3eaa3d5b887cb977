// The examples of the table of messages, compiled: what `schema help` shows, and what holds the
// table to its word.
#pragma once

#include <vector>

#include "coordinator/pml/diagnostics.h"

namespace promptcache {

// What is said about the message's example, errors first: about its prompt when it has one, else
// about its schema. With the toy tokenizer and the ChatML template. Pure.
std::vector<Diagnostic> CompileExample(const PmlMessage& message);

}  // namespace promptcache
