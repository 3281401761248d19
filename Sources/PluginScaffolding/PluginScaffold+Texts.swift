// SPDX-License-Identifier: Apache-2.0

import PolicyKit

// The manifest and the README of a new package.
extension PluginScaffold {
    var manifestText: String {
        """
        # Serves \(modelWords) with \(name.type); `burrow serve manifest.yaml`.
        apiVersion: burrow/v1
        kind: Host
        metadata: {name: \(scalar)}
        spec:
          server: {listen: 127.0.0.1:8080}
        \(modelSection)
        \(kindSection)
          plugins:
            search: [.build/release]      # where `burrow plugin build` puts the library
            instances:
              - name: \(scalar)
                type: \(scalar)
                parameters: {\(template.parameter): \(template.manifestValue)}

        """
    }

    /// The name as a YAML scalar: some words mean something else when they stand bare.
    private var scalar: String {
        let words: Set<String> = [
            "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
        ]
        return words.contains(name.type) ? Self.quoted(name.type) : name.type
    }

    private var modelWords: String {
        sdk.hasSamples ? "the sample model and its eight adapters" : "random weights"
    }

    private var modelSection: String {
        guard sdk.hasSamples else {
            return """
                  model: {synthetic: {preset: smollm2-135m, seed: 1}}
                  adapters:
                    - {synthetic: {count: 8, rank: 8, seed: 1}}
                """
        }
        let samples = "${env:\(PolicySDK.variable):-\(sdk.path)}/Samples"
        return """
              model: {path: \(Self.quoted("\(samples)/model")), name: sample}
              adapters:
                - {directory: \(Self.quoted("\(samples)/adapters"))}
            """
    }

    /// What lets the policy have something to decide.
    private var kindSection: String {
        let replicas =
            switch kind {
            case .dispatch, .migration: "{count: 2, threads: 1, memory: 256MiB}"
            case .residency: "{memory: 256MiB, adapterMemory: \(scarceMemory)}"
            default: "{memory: 256MiB}"
            }
        let memory = sdk.hasSamples ? replicas : replicas.replacing("256MiB", with: "1GiB")
        if kind == .gating {
            let experts = sdk.hasSamples ? "french, english" : "synthetic-0, synthetic-1"
            return """
                  mixtures:
                    - {name: both, experts: [\(experts)], gating: \(scalar)}
                  replicas: \(memory)
                """
        }
        return """
              replicas: \(memory)
              pipeline: {\(kind.rawValue): \(scalar)}
            """
    }

    /// Room for a few of the eight adapters.
    private var scarceMemory: String { sdk.hasSamples ? "1MiB" : "16MiB" }

    /// The text as a YAML scalar in single quotes.
    private static func quoted(_ text: String) -> String {
        "'\(text.replacing("'", with: "''"))'"
    }

    var readmeText: String {
        """
        # \(name.type)

        A \(kind.rawValue) policy for Burrow. \(template.summary)

        | parameter | meaning |
        |---|---|
        | `\(template.parameter)` | see `burrow plugin describe \(name.type) --search .build/release` |

        ## Commands

        In this folder:

        ```sh
        burrow plugin build .       # build the library in release
        burrow plugin test .        # and put the rules of its kind to it, in a process of its own
        burrow plugin doctor .      # say what a host would refuse, and how to cure it
        swift test                  # the tests in Tests/
        burrow serve manifest.yaml  # serve with it
        ```

        `burrow simulate manifest.yaml` runs it on a virtual clock, `burrow bench http://127.0.0.1:8080`
        measures the server.

        ## What is where

        | file | holds |
        |---|---|
        | `\(sourcePath)` | the header and the entry point that make a library a plugin, the parameters, the policy |
        | `\(testPath)` | the conformance kit, and what only this policy promises |
        | `Package.swift` | where PolicyKit is: `\(PolicySDK.variable)` in the environment says so on another machine |
        | `manifest.yaml` | a host that loads the policy |

        """
    }
}
