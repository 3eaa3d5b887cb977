#!/usr/bin/env python3
"""Shows that layers.py finds each kind of bad arrow and lets each kind of good one pass."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layers  # noqa: E402

# path, text, what the finding says (None: there must be none)
CASES = (
    # Arrows between our own folders.
    ("common/a.h", '#include "common/status.h"', None),
    ("common/a.h", '#include "cluster/transport/transport.h"', "common must not depend on it"),
    ("common/text/a.cpp", '#include "schemas/wire/access.h"', "common must not depend on it"),
    ("schemas/wire/access.h", '#include "common/status.h"', "schemas must not depend on it"),
    ("cluster/wire/a.cpp", '#include "common/status.h"', None),
    ("cluster/wire/a.cpp", '#include "cachestore/store.h"', "cluster must not depend on it"),
    ("cachestore/format/a.cpp", '#include "schemas/wire/access.h"', None),
    ("cachestore/disk/a.cpp", '#include "cluster/transport/transport.h"', "cachestore must not depend"),
    ("cachestore/service/a.cpp", '#include "cluster/transport/transport.h"', None),
    ("cachestore/main.cpp", '#include "cluster/transport/transport.h"', None),
    ("cachestore/service_x/a.cpp", '#include "cluster/transport/transport.h"', "cachestore must not"),
    ("coordinator/plan/a.cpp", '#include "cluster/wire/messages.h"', None),
    ("coordinator/plan/a.cpp", '#include "cachestore/store.h"', "coordinator must not depend on it"),
    ("coordinator/plan/a.cpp", '#include "worker/model/model.h"', "coordinator must not depend on it"),
    ("worker/kv/a.cpp", '#include "coordinator/plan/plan.h"', "worker must not depend on it"),
    ("worker/kv/a.cpp", '#include "cachestore/store.h"', None),
    ("worker/kv/a.cpp", '#include "cachestore/format/blob.h"', None),
    ("worker/kv/a.cpp", '#include "cachestore/disk/disk_store.h"', "worker must not depend on it"),
    ("worker/kv/a.cpp", '#include "cachestore/service/remote_store.h"', "worker must not depend on it"),
    ("worker/service/a.cpp", '#include "cachestore/service/remote_store.h"', None),
    ("worker/service/a.cpp", '#include "cachestore/service/server.h"', "worker must not depend on it"),
    ("worker/main.cpp", '#include "cachestore/service/remote_store.h"', None),
    ("worker/main.cpp", '#include "coordinator/plan/plan.h"', "worker must not depend on it"),
    ("worker/kv/a.cpp", '#include "tools/cli/table.h"', "worker must not depend on it"),
    ("coordinator/a.cpp", '#include "tests/fakes/fake_clock.h"', "coordinator must not depend on it"),
    ("tools/engine/a.cpp", '#include "worker/model/model.h"\n#include "coordinator/plan/plan.h"', None),
    ("tests/unit/kv/a_test.cpp", '#include "worker/kv/units.h"', None),
    # The same arrow written differently.
    ("common/a.h", "#include <worker/model/model.h>", "common must not depend on it"),
    ("common/a.h", '#  include\t"worker/model/model.h"', "common must not depend on it"),
    ("worker/kv/a.cpp", '#include "worker/../coordinator/plan/plan.h"', "from the repository root"),
    ("worker/kv/a.cpp", '#include "units.h"', "from the repository root"),
    ("worker/kv/a.cpp", '#include UNITS_HEADER', "a computed include cannot be checked"),
    ("common/a.cu", '#include "worker/model/model.h"', "common must not depend on it"),
    ("common/a.h", '// #include "worker/model/model.h"', None),
    ("common/a.h", '/*\n#include "worker/model/model.h"\n*/', None),
    ("common/a.h", 'const char* a = "/*";\n#include "worker/x.h"\nconst char* b = "*/";', "a.h:2: incl"),
    # Fences: by include and by name.
    ("cluster/transport/a.cpp", "#include <zmq.hpp>\nzmq::socket_t s;", None),
    ("cluster/wire/a.cpp", "#include <zmq.hpp>", "zmq is fenced in cluster/transport"),
    ("cachestore/service/a.h", "zmq::socket_t* socket;", "names zmq"),
    ("tools/cli/a.cpp", "zmq_ctx_new();", "names zmq"),
    ("coordinator/pml/a.cpp", "#include <xercesc/sax2/SAX2XMLReader.hpp>", None),
    ("coordinator/layout/a.cpp", "#include <xercesc/sax2/SAX2XMLReader.hpp>", "xercesc is fenced"),
    ("coordinator/plan/a.h", "xercesc::XMLUni x;", "names xercesc"),
    ("cachestore/disk/a.cpp", "#include <rocksdb/db.h>", None),
    ("cachestore/service/a.cpp", "#include <rocksdb/db.h>", "rocksdb is fenced in cachestore/disk"),
    ("cachestore/store.h", "namespace rocksdb { class DB; }", "names rocksdb"),
    ("common/a.cpp", "#include <sodium.h>\nrandombytes_buf(p, 1);", None),
    ("cachestore/pack/a.cpp", "#include <sodium.h>", "sodium is fenced in common"),
    ("cachestore/pack/a.cpp", "crypto_sign_detached(s, n, m, k);", "names sodium"),
    ("common/metrics/a.cpp", "#include <prometheus/gauge.h>\nprometheus::Gauge g;", None),
    ("coordinator/a.cpp", "#include <prometheus/gauge.h>", "prometheus is fenced in common/metrics"),
    ("coordinator/a.h", "prometheus::Gauge* gauge;", "names prometheus"),
    ("common/metrics/a.cpp", "#include <boost/beast/http.hpp>\nboost::asio::io_context io;", None),
    ("common/a.cpp", "#include <boost/asio/post.hpp>", "boost is fenced in common/metrics"),
    ("worker/service/a.h", "boost::asio::io_context* io;", "names boost"),
    ("cachestore/format/a.cpp", "#include <zstd.h>\nZSTD_isError(1);", None),
    ("cachestore/disk/a.cpp", "#include <zstd.h>", "zstd is fenced in cachestore/format"),
    ("cachestore/disk/a.cpp", "ZSTD_isError(1);", "names zstd"),
    ("worker/model/a.h", "#include <ATen/ATen.h>\nat::Tensor t;", None),
    ("worker/service/a.cpp", "#include <torch/torch.h>", "torch is fenced in worker"),
    ("worker/service/a.h", "at::Tensor t;", "names torch"),
    ("tools/engine/a.cpp", "#include <c10/core/Device.h>", "torch is fenced in worker"),
    ("worker/device/a.cu", "#include <cuda_runtime.h>\nkernel<<<1, 1>>>();", None),
    ("worker/kv/a.cpp", "#include <cuda_runtime.h>", "cuda is fenced in worker/device"),
    ("worker/kv/a.cpp", "cudaMalloc(&p, 1);", "names cuda"),
    ("worker/model/a.cpp", '#include "worker/device/rotary_cuda.h"', None),
    ("cluster/wire/values_codec.cpp", "#include <flatbuffers/flatbuffers.h>", None),
    ("cluster/wire/values_codec.cpp", '#include "schemas/wire/promptcache_generated.h"', None),
    ("cluster/wire/values.cpp", "#include <flatbuffers/flatbuffers.h>", "flatbuffers is fenced"),
    ("cluster/wire/messages.h", '#include "schemas/wire/promptcache_generated.h"', "flatbuffers is fenced"),
    ("tests/unit/transport/a_test.cpp", "#include <zmq.hpp>\nzmq::socket_t s;", None),
    # Tests stay out of production, production's habits out of tests.
    ("common/a.h", "#include <gtest/gtest_prod.h>", "only tests may"),
    ("tools/cli/a.cpp", "#include <gmock/gmock.h>", "only tests may"),
    ("tests/unit/a_test.cpp", "#include <gtest/gtest.h>", None),
    ("common/config.cpp", 'auto* v = std::getenv("HOME");', "getenv outside a main.cpp"),
    ("worker/main.cpp", 'auto* v = std::getenv("HOME");', None),
    ("tests/unit/a_test.cpp", 'auto* v = getenv("HOME");', "getenv outside a main.cpp"),
    ("common/config.cpp", '// getenv("HOME") is not used here', None),
    ("common/config.cpp", 'Log("getenv(HOME) is not used here");', None),
    ("common/config.cpp", 'Log(R"(getenv("HOME"))");', None),
    ("tests/unit/a_test.cpp", "std::this_thread::sleep_for(10ms);", "a test sleeps"),
    ("tests/integration/a.cpp", "usleep(10);", "a test sleeps"),
    ("tests/unit/a_test.cpp", "auto oversleep_count = 1'000 + '\"';", None),
    ("tests/unit/a_test.cpp", "if (!data) GTEST_SKIP();", "a skip without a reason"),
    ("tests/unit/a_test.cpp", 'if (!data) GTEST_SKIP() << "missing: " << path;', None),
    ("common/a.h", "friend class ClockTest;", "a friend made for tests"),
    ("common/a.h", "FRIEND_TEST(Clock, Ticks);", "a friend made for tests"),
    ("common/a.h", "friend class Builder;", None),
)


class LayersTest(unittest.TestCase):
    def write(self, root, path, text):
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def test_every_case_of_the_table(self):
        for path, text, expected in CASES:
            with self.subTest(path=path, text=text), tempfile.TemporaryDirectory() as root:
                self.write(root, path, text)
                findings, _, count = layers.check_tree(root)
                self.assertEqual(count, 1)
                if expected is None:
                    self.assertEqual(findings, [])
                else:
                    self.assertEqual(len(findings), 1, findings)
                    self.assertIn(expected, findings[0])

    def test_long_files_are_mentioned_but_do_not_fail(self):
        with tempfile.TemporaryDirectory() as root:
            self.write(root, "common/a.cpp", "\n" * 400)
            findings, notes, _ = layers.check_tree(root)
            self.assertEqual(findings, [])
            self.assertEqual(notes, ["common/a.cpp: 401 lines, more than 400"])

    def run_script(self, root):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.py")
        return subprocess.run([sys.executable, script, root], capture_output=True, text=True, check=False)

    def test_exit_status_tells_clean_bad_and_empty_trees_apart(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.run_script(root).returncode, 1)
            self.write(root, "common/a.h", "#pragma once")
            self.assertEqual(self.run_script(root).returncode, 0)
            self.write(root, "common/b.h", '#include "worker/model/model.h"')
            result = self.run_script(root)
            self.assertEqual(result.returncode, 1)
            self.assertIn("common/b.h:1: includes worker/model/model.h", result.stdout)


if __name__ == "__main__":
    unittest.main()
