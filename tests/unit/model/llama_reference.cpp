#include "tests/unit/model/llama_reference.h"

#include <algorithm>
#include <cmath>

namespace promptcache::testing {
namespace {

using Vector = std::vector<double>;

Vector Multiply(const TinyLlama::Tensor& matrix, const Vector& x) {
  const uint64_t in = matrix.dims[0], out = matrix.dims[1];
  Vector y(out);
  for (uint64_t row = 0; row < out; ++row) {
    for (uint64_t i = 0; i < in; ++i) y[row] += double{matrix.values[row * in + i]} * x[i];
  }
  return y;
}

Vector Normalise(const TinyLlama::Tensor& weight, const Vector& x, double epsilon) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * double{weight.values[i]};
  return y;
}

// Rotates pairs (2i, 2i + 1) of each head.
void Rotate(const TinyLlama& llama, Position position, Vector& x) {
  const uint32_t dim = llama.head_dim;
  for (size_t head = 0; head < x.size() / dim; ++head) {
    for (uint32_t i = 0; i < dim / 2; ++i) {
      const double angle = position * std::pow(llama.rope_base, -2.0 * i / dim);
      double& a = x[head * dim + 2 * i];
      double& b = x[head * dim + 2 * i + 1];
      const double turned = a * std::cos(angle) - b * std::sin(angle);
      b = a * std::sin(angle) + b * std::cos(angle);
      a = turned;
    }
  }
}

class Run {
 public:
  Run(const TinyLlama& llama, const Sees& sees, const Moved& moved)
      : llama_(llama), sees_(sees), moved_(moved), keys_(llama.layers), values_(llama.layers) {}

  Vector Push(TokenId id, Position position) {
    const auto& embedding = T("token_embd.weight").values;
    const auto first = embedding.begin() + static_cast<ptrdiff_t>(id) * llama_.hidden;
    Vector x(first, first + llama_.hidden);
    for (uint32_t layer = 0; layer < llama_.layers; ++layer) Layer(layer, position, x);
    return Multiply(T("output.weight"), Normalise(T("output_norm.weight"), x, llama_.epsilon));
  }

 private:
  const TinyLlama::Tensor& T(const std::string& name) const { return llama_.tensors.at(name); }

  void Layer(uint32_t layer, Position position, Vector& x) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const Vector normed = Normalise(T(prefix + "attn_norm.weight"), x, llama_.epsilon);
    Vector q = Multiply(T(prefix + "attn_q.weight"), normed);
    Vector k = Multiply(T(prefix + "attn_k.weight"), normed);
    Rotate(llama_, position, q);
    Rotate(llama_, position, k);
    keys_[layer].push_back(std::move(k));
    values_[layer].push_back(Multiply(T(prefix + "attn_v.weight"), normed));
    Add(Multiply(T(prefix + "attn_output.weight"), Attend(layer, q)), x);

    const Vector fed = Normalise(T(prefix + "ffn_norm.weight"), x, llama_.epsilon);
    Vector gate = Multiply(T(prefix + "ffn_gate.weight"), fed);
    const Vector up = Multiply(T(prefix + "ffn_up.weight"), fed);
    for (size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
    Add(Multiply(T(prefix + "ffn_down.weight"), gate), x);
  }

  Vector Attend(uint32_t layer, const Vector& q) const {
    const uint32_t dim = llama_.head_dim, group = llama_.heads / llama_.kv_heads;
    const size_t self = keys_[layer].size() - 1;
    Vector out(q.size());
    for (uint32_t head = 0; head < llama_.heads; ++head) {
      const uint32_t kv = head / group * dim;
      double total = 0;
      Vector sum(dim);
      for (size_t key = 0; key <= self; ++key) {
        if (key < self && !sees_(self, key)) continue;
        double score = 0;
        const Vector moved = Seen(layer, self, key);
        for (uint32_t i = 0; i < dim; ++i) score += q[head * dim + i] * moved[kv + i];
        const double weight = std::exp(score / std::sqrt(dim));
        total += weight;
        for (uint32_t i = 0; i < dim; ++i) sum[i] += weight * values_[layer][key][kv + i];
      }
      for (uint32_t i = 0; i < dim; ++i) out[head * dim + i] = sum[i] / total;
    }
    return out;
  }

  Vector Seen(uint32_t layer, size_t query, size_t key) const {
    Vector k = keys_[layer][key];
    if (const Position by = key < query ? moved_(query, key) : 0; by != 0) Rotate(llama_, by, k);
    return k;
  }

  static void Add(const Vector& delta, Vector& x) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += delta[i];
  }

  const TinyLlama& llama_;
  const Sees& sees_;
  const Moved& moved_;
  std::vector<std::vector<Vector>> keys_, values_;  // [layer][token][kv_heads * head_dim]
};

template <typename T>
double Difference(std::span<const float> a, std::span<const T> b) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    worst = std::max(worst, std::abs(double{a[i]} - double{b[i]}));
    largest = std::max(largest, std::abs(double{b[i]}));
  }
  return a.size() == b.size() ? worst / largest : 1;
}

}  // namespace

std::vector<double> ReferenceLogits(const TinyLlama& llama, const Tokens& tokens, const Sees& sees,
                                    const Moved& moved) {
  Run run(llama, sees, moved);
  std::vector<double> logits;
  for (size_t i = 0; i < tokens.size(); ++i) logits = run.Push(tokens.ids[i], tokens.positions[i]);
  return logits;
}

std::vector<TokenId> ReferenceGreedy(const TinyLlama& llama, Tokens tokens, Position next,
                                     size_t count, const Sees& sees) {
  const size_t prompt = tokens.size();
  const Sees extended = [&](size_t query, size_t key) {
    return query >= prompt || sees(query, key);
  };
  const Moved unmoved = [](size_t, size_t) { return 0; };
  Run run(llama, extended, unmoved);
  std::vector<double> logits;
  for (size_t i = 0; i < prompt; ++i) logits = run.Push(tokens.ids[i], tokens.positions[i]);
  std::vector<TokenId> answer;
  while (answer.size() < count) {
    const auto best = std::max_element(logits.begin(), logits.end());
    answer.push_back(static_cast<TokenId>(best - logits.begin()));
    logits = run.Push(answer.back(), next++);
  }
  return answer;
}

double RelativeDifference(std::span<const float> a, std::span<const double> b) {
  return Difference(a, b);
}

double RelativeDifference(std::span<const float> a, std::span<const float> b) {
  return Difference(a, b);
}

}  // namespace promptcache::testing
