// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Inference

struct PromptLookupTests {
    @Test(arguments: [
        ([1, 2, 3, 4, 1, 2], 2, [3, 4, 1]),
        ([1, 2, 9, 1, 2, 8, 1, 2], 2, [8, 1, 2]),  // the last time counts
        ([5, 5, 5], 2, [5]), ([7, 7], 1, [7]),
        ([1, 2, 3], 2, []), ([1, 2], 2, []), ([1], 1, []), ([], 1, []),
        ([1, 2, 3, 4, 5, 2, 3], 3, []),
    ])
    func whatFollowedTheLastTimeIsGuessed(text: [Int32], ngram: Int, guess: [Int32]) throws {
        let lookup = try PromptLookup(tokens: 3, ngram: ngram)
        #expect(Array(lookup.guess(after: text)) == guess)
    }

    @Test(arguments: [
        (0, 3, "tokens"), (17, 3, "tokens"), (.min, 3, "tokens"), (5, 0, "ngram"),
        (5, 17, "ngram"),
    ])
    func whatIsOutOfRangeIsRefusedByName(tokens: Int, ngram: Int, name: String) {
        let error = samplingError { _ = try PromptLookup(tokens: tokens, ngram: ngram) }
        #expect(error?.code == .invalidParameter)
        #expect(error?.parameter == "speculation.\(name)")
    }
}
