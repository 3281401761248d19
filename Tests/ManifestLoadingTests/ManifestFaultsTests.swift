// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import ManifestLoading

@Suite struct ManifestFaultsTests {
    @Test func tenMistakesAreReportedInOneRun() {
        let text = """
            apiVersion: burrow/v1
            kind: Hots
            metadata: {}
            spec:
              server: {listen: "::1:8080"}
              model: {path: ../model, dtype: bf16}
              replcias: {count: 2}
              limits: {queue: 0, idleTimeout: 60}
              plugins:
                instances:
                  - {name: credits, type: credit-fairness, parameters: {starvation: 90s}}
                  - {name: switch, type: dlora-bathcing}
              pipeline: {fairness: credit}
              limits: {}
            """
        let rendered = Fixtures.validate(text).diagnostics.map(\.rendered)
        #expect(rendered.count == 10)
        #expect(rendered.joined(separator: "\n") == Self.tenMistakes)
    }

    static let tenMistakes = """
        m.yaml:2:7: error: kind: expected Host, found 'Hots' (did you mean 'Host'?)
            kind: Hots
                  ^~~~
        m.yaml:3:1: error: metadata: missing key 'name', as name: quickstart
            metadata: {}
            ^~~~~~~~
        m.yaml:5:20: error: spec.server.listen: an IPv6 address stands in brackets, as [::1]:8080
              server: {listen: "::1:8080"}
                               ^~~~~~~~~~
        m.yaml:7:3: error: spec: unknown key 'replcias' (did you mean 'replicas'?)
              replcias: {count: 2}
              ^~~~~~~~
        m.yaml:8:19: error: spec.limits.queue: must be from 1 to 1000000, found 0
              limits: {queue: 0, idleTimeout: 60}
                              ^
        m.yaml:8:35: error: spec.limits.idleTimeout: a duration has a unit (ns, us, ms, s, m, h), found '60' (did you mean '60s'?)
              limits: {queue: 0, idleTimeout: 60}
                                              ^~
        m.yaml:11:73: error: spec.plugins.instances[0].parameters.starvation: must be at most 1m, found 90s
                  - {name: credits, type: credit-fairness, parameters: {starvation: 90s}}
                                                                                    ^~~
        m.yaml:12:30: error: spec.plugins.instances[1].type: no policy has the type 'dlora-bathcing' (did you mean 'dlora-batching'?)
                  - {name: switch, type: dlora-bathcing}
                                         ^~~~~~~~~~~~~~
        m.yaml:13:24: error: spec.pipeline.fairness: no instance and no fairness policy is called 'credit' (did you mean 'credits'?)
              pipeline: {fairness: credit}
                                   ^~~~~~
        m.yaml:14:3: error: spec: duplicate key 'limits', first at line 8
              limits: {}
              ^~~~~~
        """

    /// Lines of `spec`, each with the faults that a manifest has which holds that line.
    static let singleFaults = #"""
        nothing: 1
        -> 6:3: error: spec: unknown key 'nothing'; known: server, model, adapters, mixtures, serviceClasses, tenants, replicas, limits, plugins, pipeline, reload, tests
        server: {listen: 8080}
        -> 6:20: error: spec.server.listen: expected host:port, as 127.0.0.1:8080, found '8080'
        server: {listen: ":8080"}
        -> 6:20: error: spec.server.listen: the host is missing; write 0.0.0.0 to listen on every address
        server: {listen: "::1:8080"}
        -> 6:20: error: spec.server.listen: an IPv6 address stands in brackets, as [::1]:8080
        server: {listen: "[::g]:80"}
        -> 6:20: error: spec.server.listen: '::g' is not an IPv6 address
        server: {listen: 999.0.0.1:80}
        -> 6:20: error: spec.server.listen: '999.0.0.1' is not an IPv4 address
        server: {listen: localhost:65536}
        -> 6:20: error: spec.server.listen: expected a port from 0 to 65535 after the colon, found '65536'
        server: {listen: "under_score:80"}
        -> 6:20: error: spec.server.listen: 'under_score' is neither a host name nor an address
        server: {listen: [a]}
        -> 6:20: error: spec.server.listen: expected host:port, found a list
        server: {tls: {certificate: c.pem}}
        -> 6:12: error: spec.server.tls: missing key 'key', as key: k.pem
        server: {tls: c.pem}
        -> 6:17: error: spec.server.tls: expected a mapping, found 'c.pem'
        server: {apiKeys: keys.txt}
        -> 6:21: error: spec.server.apiKeys: expected a mapping, found 'keys.txt'
        server: {apiKeys: {}}
        -> 6:12: error: spec.server.apiKeys: missing key 'file', as file: keys.txt
        server: {admin: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}
        -> 6:19: error: spec.server.admin: the path of a Unix socket has at most 107 bytes, this one has 108
        server: {admin: {listen: 127.0.0.1:9090}}
        -> 6:12: error: spec.server.admin: missing key 'tokenFile', as tokenFile: admin.token
        server: {admin: {socket: off, tokenFile: t}}
        -> 6:12: error: spec.server.admin: missing key 'listen', as listen: 127.0.0.1:9090
        server: {admin: {listen: 127.0.0.1:9090, tokenFile: t, tokenfile: x}}
        -> 6:58: error: spec.server.admin: unknown key 'tokenfile' (did you mean 'tokenFile'?)
        server: {admin: {listen: "0.0.0.0:9090", tokenFile: t}}
        -> 6:28: error: spec.server.admin.listen: others can reach 0.0.0.0:9090, and would see the token: set spec.server.tls or listen on 127.0.0.1
        server: {admin: [a]}
        -> 6:19: error: spec.server.admin: expected auto or off or a path, found a list
        server: {drainTimeout: 2d}
        -> 6:26: error: spec.server.drainTimeout: a duration has a unit (ns, us, ms, s, m, h), found '2d'
        server: {drainTimeout: 2h}
        -> 6:26: error: spec.server.drainTimeout: must be at most 1h, found 2h
        server: {drainTimeout: -1s}
        -> 6:26: error: spec.server.drainTimeout: expected a duration, as 5ms or 30s, found '-1s'
        server:
        -> 6:3: error: spec.server: has no value; give it a mapping or remove it
        server: ~
        -> 6:3: error: spec.server: has no value; give it a mapping or remove it
        adapters: {directory: a}
        -> 6:13: error: spec.adapters: expected a list, found a mapping
        adapters: [{directory: ""}]
        -> 6:26: error: spec.adapters[0].directory: expected a path, found an empty text
        adapters: [{}]
        -> 6:14: error: spec.adapters[0]: expected one of the keys directory, path or synthetic
        adapters: [{directry: a}]
        -> 6:15: error: spec.adapters[0]: unknown key 'directry' (did you mean 'directory'?)
        adapters: [{directory: a, pinned: true}]
        -> 6:29: error: spec.adapters[0]: 'pinned' excludes 'directory'; keep one of them
        adapters: [{name: a}]
        -> 6:14: error: spec.adapters[0]: missing key 'path', as path: /models/legal
        adapters: [{path: a}]
        -> 6:14: error: spec.adapters[0]: missing key 'name', as name: legal
        adapters: [{name: a, path: b, pinned: yes}]
        -> 6:41: error: spec.adapters[0].pinned: expected true or false, found 'yes' (did you mean 'true'?)
        adapters: [{name: "-a", path: b}]
        -> 6:21: error: spec.adapters[0].name: expected a name of letters, digits and . _ - : /, at most 128 characters long, found '-a'
        adapters: [{name: a, path: b}, {name: a, path: c}]
        -> 6:41: error: spec.adapters[1].name: 'a' is the name of another adapter, at line 6
        adapters: [{name: model, path: b}]
        -> 6:21: error: spec.adapters[0].name: 'model' is the name of the base model
        adapters: [{synthetic: {count: 4097, rank: 8}}]
        -> 6:34: error: spec.adapters[0].synthetic.count: must be from 1 to 4096, found 4097
        adapters: [{synthetic: {count: 2, rank: 513, seed: -1}}]
        -> 6:43: error: spec.adapters[0].synthetic.rank: must be from 1 to 512, found 513
        -> 6:54: error: spec.adapters[0].synthetic.seed: must be at least 0, found -1
        adapters: [{synthetic: {count: 2, rank: 8}}, {name: synthetic-1, path: b}]
        -> 6:55: error: spec.adapters[1].name: 'synthetic-1' is the name of another adapter, at line 6
        adapters: [{synthetic: {count: 2, rank: 8}}, {synthetic: {count: 1, rank: 8}}]
        -> 6:68: error: spec.adapters[1].synthetic: a second entry would repeat the names synthetic-0 and on; keep one
        adapters: [{directory: a, weight: 0}]
        -> 6:37: error: spec.adapters[0].weight: must be from 0.001 to 1000, found 0
        adapters: [{name: a, path: b, serviceClass: fast}]
        -> 6:47: error: spec.adapters[0].serviceClass: no service class is called 'fast'; spec.serviceClasses has none
        serviceClasses: [{name: fast, timeToFirstToken: 0s}]
        -> 6:51: error: spec.serviceClasses[0].timeToFirstToken: must be from 1ms to 1h, found 0s
        serviceClasses: [{name: fast}]
        -> 6:20: error: spec.serviceClasses[0]: missing key 'timeToFirstToken', as timeToFirstToken: 500ms
        serviceClasses: [{name: a, timeToFirstToken: 1s}, {name: a, timeToFirstToken: 2s}]
        -> 6:60: error: spec.serviceClasses[1].name: 'a' is the name of another service class, at line 6
        tenants: [{name: alice, weight: 2}]
        -> 6:20: error: spec.tenants[0].name: tenants are told apart by their API keys; name a file of keys under server.apiKeys
        mixtures: [{name: both, experts: [a, b]}]
        -> 6:37: error: spec.mixtures[0].experts[0]: no adapter is called 'a'; spec.adapters has none
        -> 6:40: error: spec.mixtures[0].experts[1]: no adapter is called 'b'; spec.adapters has none
        mixtures: [{name: both}]
        -> 6:14: error: spec.mixtures[0]: missing key 'experts', as experts: [roman, french, date]
        mixtures: [{name: model, experts: [], gating: credit-fairness}]
        -> 6:21: error: spec.mixtures[0].name: 'model' is the name of the base model
        -> 6:37: error: spec.mixtures[0].experts: a mixture has 1 to 64 experts, this one has 0
        -> 6:49: error: spec.mixtures[0].gating: 'credit-fairness' answers 'fairness', not 'gating'
        mixtures: [{name: a, experts: [x, x], gating: mole-gait}, {name: a, experts: []}]
        -> 6:34: error: spec.mixtures[0].experts[0]: no adapter is called 'x'; spec.adapters has none
        -> 6:37: error: spec.mixtures[0].experts[1]: 'x' is an expert of this mixture already
        -> 6:49: error: spec.mixtures[0].gating: no instance and no gating policy is called 'mole-gait' (did you mean 'mole-gate'?)
        -> 6:68: error: spec.mixtures[1].name: 'a' is the name of another mixture, at line 6
        -> 6:80: error: spec.mixtures[1].experts: a mixture has 1 to 64 experts, this one has 0
        mixtures: none
        -> 6:13: error: spec.mixtures: expected a list, found 'none'
        replicas: {count: 65}
        -> 6:21: error: spec.replicas.count: must be from 1 to 64, found 65
        replicas: {count: 0}
        -> 6:21: error: spec.replicas.count: must be from 1 to 64, found 0
        replicas: {count: two}
        -> 6:21: error: spec.replicas.count: expected a whole number, found 'two'
        replicas: {count: "2"}
        -> 6:21: error: spec.replicas.count: expected a whole number, found the text "2"
        replicas: {count: 2.0}
        -> 6:21: error: spec.replicas.count: expected a whole number, found '2.0'
        replicas: {count: 010}
        -> 6:21: error: spec.replicas.count: a whole number has no leading zeros, found '010'
        replicas: {count: 99999999999999999999}
        -> 6:21: error: spec.replicas.count: the number '99999999999999999999' does not fit into 64 bits
        replicas: {threads: aut}
        -> 6:23: error: spec.replicas.threads: expected auto or a whole number from 1 to 1024, found 'aut' (did you mean 'auto'?)
        replicas: {threads: 0}
        -> 6:23: error: spec.replicas.threads: must be from 1 to 1024, found 0
        replicas: {threads: all}
        -> 6:23: error: spec.replicas.threads: expected auto or a whole number from 1 to 1024, found 'all'
        replicas: {memory: 2Gi}
        -> 6:22: error: spec.replicas.memory: a size has a unit (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB), found '2Gi' (did you mean '2GiB'?)
        replicas: {memory: 2 GiB}
        -> 6:22: error: spec.replicas.memory: a size has a unit (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB), found '2 GiB' (did you mean '2GiB'?)
        replicas: {memory: much}
        -> 6:22: error: spec.replicas.memory: expected a size, as 512MiB, found 'much'
        replicas: {memory: 1KiB}
        -> 6:22: error: spec.replicas.memory: must be from 1MiB to 16TiB, found 1KiB
        replicas: {memory: 0.3B}
        -> 6:22: error: spec.replicas.memory: the size '0.3B' is not a whole number of bytes below 2^63
        replicas: {memory: 99999999TiB}
        -> 6:22: error: spec.replicas.memory: the size '99999999TiB' is not a whole number of bytes below 2^63
        replicas: {adapterMemory: 1GiB}
        -> 6:29: error: spec.replicas.adapterMemory: must be less than memory (1GiB), which holds the KV pages too
        replicas: {mergedMemory: 2GiB}
        -> 6:28: error: spec.replicas.mergedMemory: must be less than memory (1GiB), which holds the KV pages too
        replicas: {adapterMemory: 600MiB, mergedMemory: 424MiB}
        -> 6:51: error: spec.replicas.mergedMemory: must be less than memory (1GiB), with adapterMemory, which holds the KV pages too
        replicas: {maxBatch: 1025}
        -> 6:24: error: spec.replicas.maxBatch: must be from 1 to 1024, found 1025
        replicas: {maxStepTokens: 65537}
        -> 6:29: error: spec.replicas.maxStepTokens: must be from 1 to 65536, found 65537
        replicas: {stallBudget: 100}
        -> 6:27: error: spec.replicas.stallBudget: a duration has a unit (ns, us, ms, s, m, h), found '100' (did you mean '100s'?)
        replicas: {stallBudget: 100us}
        -> 6:27: error: spec.replicas.stallBudget: must be from 1ms to 1m, found 100us
        replicas: {prefixCache: yes}
        -> 6:27: error: spec.replicas.prefixCache: expected on or off, found 'yes'
        limits: {contextlength: 5}
        -> 6:12: error: spec.limits: unknown key 'contextlength' (did you mean 'contextLength'?)
        limits: {headerBytes: 2MiB}
        -> 6:25: error: spec.limits.headerBytes: must be from 1KiB to 1MiB, found 2MiB
        limits: {idleTimeout: 30}
        -> 6:25: error: spec.limits.idleTimeout: a duration has a unit (ns, us, ms, s, m, h), found '30' (did you mean '30s'?)
        limits: {adapterRoots: /models}
        -> 6:26: error: spec.limits.adapterRoots: expected a list, found '/models'
        limits: {queue: }
        -> 6:12: error: spec.limits.queue: has no value; give it a whole number from 1 to 1000000 or remove it
        limits: {queue: 1, queue: 2}
        -> 6:22: error: spec.limits: duplicate key 'queue', first at line 6
        plugins: {search: [[a]]}
        -> 6:22: error: spec.plugins.search[0]: expected a path, found a list
        plugins: {budget: 20s}
        -> 6:21: error: spec.plugins.budget: must be from 1us to 10s, found 20s
        plugins: {instances: [{type: lru}]}
        -> 6:25: error: spec.plugins.instances[0]: missing key 'name', as name: credits
        plugins: {instances: [{name: a, type: ilp-migration}]}
        -> 6:41: error: spec.plugins.instances[0].type: no policy has the type 'ilp-migration'; known: adapter-aware-dispatch, arrival-order, credit-fairness, dlora-batching, fcfs-unmerged, least-pending, lru, mole-gate, none, round-robin, uniform
        plugins: {instances: [{name: a, type: lru}, {name: a, type: lru}]}
        -> 6:54: error: spec.plugins.instances[1].name: 'a' is the name of another instance, at line 6
        plugins: {instances: [{name: a, type: dlora-batching, isolation: thread}]}
        -> 6:68: error: spec.plugins.instances[0].isolation: expected inline or process, found 'thread'
        plugins: {instances: [{name: a, type: dlora-batching, memory: 64MiB}]}
        -> 6:65: error: spec.plugins.instances[0].memory: limits a process of the policy's own; add `isolation: process`
        plugins: {instances: [{name: a, type: dlora-batching, isolation: process, memory: 1MiB}]}
        -> 6:85: error: spec.plugins.instances[0].memory: must be from 16MiB to 1TiB, found 1MiB
        plugins: {instances: [{name: a, type: lru, isolation: process}]}
        -> 6:57: error: spec.plugins.instances[0].isolation: 'lru' is built in, so there is nothing to contain; leave out `isolation: process`
        plugins: {instances: [{name: a, type: mole-gate, isolation: process}]}
        -> 6:63: error: spec.plugins.instances[0].isolation: a gate is asked by the compute thread between two layers of a step, where there is no time to wait for another process; leave out `isolation: process`
        plugins: {instances: [{name: a, type: dlora-batching, parameters: {alpah: 1}}]}
        -> 6:70: error: spec.plugins.instances[0].parameters: unknown key 'alpah' (did you mean 'alpha'?)
        plugins: {instances: [{name: a, type: dlora-batching, parameters: {alpha: 11}}]}
        -> 6:77: error: spec.plugins.instances[0].parameters.alpha: must be from 0 to 10, found 11
        plugins: {instances: [{name: a, type: dlora-batching, parameters: {alpha: inf}}]}
        -> 6:77: error: spec.plugins.instances[0].parameters.alpha: expected a number, found 'inf'
        plugins: {instances: [{name: a, type: dlora-batching, parameters: {hold: 0}}]}
        -> 6:76: error: spec.plugins.instances[0].parameters.hold: must be from 1 to 1000, found 0
        plugins: {instances: [{name: a, type: dlora-batching, parameters: {mixed: on}}]}
        -> 6:77: error: spec.plugins.instances[0].parameters.mixed: expected true or false, found 'on' (did you mean 'true'?)
        plugins: {instances: [{name: a, type: dlora-batching, parameters: {order: odlest}}]}
        -> 6:77: error: spec.plugins.instances[0].parameters.order: expected oldest or newest, found 'odlest' (did you mean 'oldest'?)
        plugins: {instances: [{name: a, type: credit-fairness, parameters: {table: 1}}]}
        -> 6:78: error: spec.plugins.instances[0].parameters.table: must be from 1KiB to 1MiB, found 1
        plugins: {instances: [{name: a, type: credit-fairness, parameters: {weights: ""}}]}
        -> 6:80: error: spec.plugins.instances[0].parameters.weights: expected a path, found an empty text
        plugins: {instances: [{name: a, type: credit-fairness, parameters: [starvation]}]}
        -> 6:70: error: spec.plugins.instances[0].parameters: expected a mapping, found a list
        plugins: {instances: [{name: a, type: lru, parameters: {size: 1}}]}
        -> 6:59: error: spec.plugins.instances[0].parameters: unknown key 'size'; it takes none
        pipeline: {batching: credit-fairness}
        -> 6:24: error: spec.pipeline.batching: 'credit-fairness' answers 'fairness', not 'batching'
        pipeline: {dispatch: round-robbin}
        -> 6:24: error: spec.pipeline.dispatch: no instance and no dispatch policy is called 'round-robbin' (did you mean 'round-robin'?)
        pipeline: {migration: ilp-migration}
        -> 6:25: error: spec.pipeline.migration: no instance and no migration policy is called 'ilp-migration'; known: none
        pipeline: {gating: mole}
        -> 6:14: error: spec.pipeline: unknown key 'gating'; known: batching, fairness, dispatch, migration, residency
        pipeline: {residency: [lru]}
        -> 6:25: error: spec.pipeline.residency: expected a name of letters, digits and . _ - : /, at most 128 characters long, found a list
        <<: {limits: {}}
        -> 6:3: error: spec: merge keys are not supported; write the keys out
        limits: !custom {}
        -> 6:11: error: spec.limits: the tag '!custom' does not belong here; remove it
        limits: {queue: !!str 3}
        -> 6:19: error: spec.limits.queue: expected a whole number, found the text "3"
        limits: *lost
        -> 6:11: error: spec.limits: there is no anchor '&lost'
        limits: &a {adapterRoots: [*a]}
        -> 6:30: error: spec.limits.adapterRoots[0]: '*a' stands inside itself
        server: {listen: "${env:ADDRESS}"}
        -> 6:20: error: spec.server.listen: the environment variable ADDRESS is not set; set it or write ${env:ADDRESS:-default}
        server: {listen: "${ADDRESS}"}
        -> 6:20: error: spec.server.listen: '${ADDRESS}' is not '${env:NAME}' or '${env:NAME:-default}'; write '$${' for '${'
        plugins: {search: [a/${env:HOMEDIR}/b]}
        -> 6:25: error: did not find expected ',' or ']' while parsing a flow sequence that starts at line 6
        plugins: {search: ["${env:HOME"]}
        -> 6:22: error: spec.plugins.search[0]: '${' is not closed by '}'; write '$${' for '${'
        plugins: {search: ["a\0b"]}
        -> 6:22: error: spec.plugins.search[0]: a path has at most 4096 bytes and no control characters
        limits: {queue: 1]
        -> 6:20: error: did not find expected ',' or '}' while parsing a flow mapping that starts at line 6
        limits: @x
        -> 6:11: error: a text that begins with '@' needs quotes
        """#

    struct Case: Sendable, CustomTestStringConvertible {
        let spec: String
        var faults: [String] = []

        var testDescription: String { spec }
    }

    static var cases: [Case] {
        singleFaults.split(separator: "\n").reduce(into: []) { cases, line in
            if line.hasPrefix("-> ") {
                cases[cases.count - 1].faults.append("m.yaml:" + line.dropFirst(3))
            } else {
                cases.append(Case(spec: String(line)))
            }
        }
    }

    @Test(arguments: cases)
    func faultIsToldWithItsPlace(fault: Case) {
        let found = Fixtures.faults(Fixtures.manifest("  \(fault.spec)"))
        #expect(found == fault.faults)
        #expect(!fault.faults.isEmpty)
    }
}
