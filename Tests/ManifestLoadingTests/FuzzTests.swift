// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import ManifestLoading

/// Mutated manifests must never trap, and each must either load or say why not.
@Suite struct FuzzTests {
    private static let pieces = [
        "*a", "&a ", "<<: ", "!!str ", "!x ", "[", "]", "{", "}", ": ", "- ", "? ", "| ", "> ",
        "\n", "\r\n", "\t", "\u{0}", "\u{2028}", "'", "\"", "#", "%", "---\n", "...\n",
        "${env:HOME}", "${", "$${", "~", "null", "no", "-1", "0x1", "1e999", "NaN", "999999999999",
        "9223372036854775808", "1.5GiB", "🦊", "synthetic", "parameters", "\\x00", "@", "`",
    ]

    @Test func mutatedManifestsLoadOrSayWhyNot() {
        let originals = [ManifestTests.everything, Fixtures.manifest()].map { Array($0.utf8) }
        let mutator = ByteMutator(pieces: Self.pieces, edits: 1...6)
        FuzzRun(seconds: 2, rounds: 50, seed: 20_260_101).forEachRound { random, seed in
            let original = originals.randomElement(using: &random) ?? []
            let text = mutator.mutate(original, with: &random)
            let document = ManifestDocument(
                text, file: "fuzz", directory: "/", environment: ["HOME": "x"])
            let validation = document.validate(policies: Fixtures.policies)
            let errors = validation.diagnostics.filter { $0.severity == .error }
            let isTold = validation.manifest != nil || !errors.isEmpty
            let isPlaced = validation.diagnostics.allSatisfy(Self.isInside(text))
            #expect(isTold && isPlaced, "seed \(seed)")
            for diagnostic in validation.diagnostics { _ = diagnostic.rendered }
        }
    }

    /// Whether a diagnostic lies in the text, or directly behind it.
    private static func isInside(_ text: [UInt8]) -> (Diagnostic) -> Bool {
        { diagnostic in
            guard let position = diagnostic.position else { return true }
            return position.line >= 1 && position.column >= 1
                && position.line <= text.count + 1 && position.column <= text.count + 1
        }
    }
}
