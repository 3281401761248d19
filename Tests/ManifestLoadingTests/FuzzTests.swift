// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ManifestLoading

/// Mutated manifests must never trap, and each must either load or say why not.
///
/// `BURROW_FUZZ_SECONDS` sets how long it runs, `BURROW_FUZZ_SEED` repeats a run.
@Suite struct FuzzTests {
    static let environment = ProcessInfo.processInfo.environment
    static let seconds = environment["BURROW_FUZZ_SECONDS"].flatMap(Int.init) ?? 2
    static let seed = environment["BURROW_FUZZ_SEED"].flatMap(UInt64.init) ?? 20_260_101

    static let fragments = [
        "*a", "&a ", "<<: ", "!!str ", "!x ", "[", "]", "{", "}", ": ", "- ", "? ", "| ", "> ",
        "\n", "\r\n", "\t", "\u{0}", "\u{2028}", "'", "\"", "#", "%", "---\n", "...\n",
        "${env:HOME}", "${", "$${", "~", "null", "no", "-1", "0x1", "1e999", "NaN", "999999999999",
        "9223372036854775808", "1.5GiB", "🦊", "synthetic", "parameters", "\\x00", "@", "`",
    ].map { Array($0.utf8) }

    @Test func mutatedManifestsLoadOrSayWhyNot() {
        var random = SplitMix64(state: Self.seed)
        let seeds = [ManifestTests.everything, Fixtures.manifest()].map { Array($0.utf8) }
        let end = ContinuousClock.now + .seconds(Self.seconds)
        var runs = 0
        while runs < 50 || ContinuousClock.now < end {
            let state = random.state
            let text = Self.mutate(seeds[runs % seeds.count], &random)
            let document = ManifestDocument(
                text, file: "fuzz", directory: "/", environment: ["HOME": "x"])
            let validation = document.validate(policies: Fixtures.policies)
            let errors = validation.diagnostics.filter { $0.severity == .error }
            let isTold = validation.manifest != nil || !errors.isEmpty
            let isPlaced = validation.diagnostics.allSatisfy(Self.isInside(text))
            #expect(isTold && isPlaced, "state \(state) of seed \(Self.seed)")
            for diagnostic in validation.diagnostics { _ = diagnostic.rendered }
            runs += 1
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

    private static func mutate(_ seed: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var text = seed
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let index = Int.random(in: 0...text.count, using: &random)
            let end = min(text.count, index + Int.random(in: 0...12, using: &random))
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                text.insert(contentsOf: fragments.randomElement(using: &random) ?? [], at: index)
            case 1: text.removeSubrange(index..<end)
            case 2: text.insert(contentsOf: text[index..<end], at: index)
            case 3:
                if index < text.count { text[index] = UInt8.random(in: 0...255, using: &random) }
            default:
                text.replaceSubrange(
                    index..<end, with: fragments.randomElement(using: &random) ?? [])
            }
        }
        return text
    }
}
