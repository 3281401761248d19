// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Inference

struct SamplingParametersTests {
    static let invalid: [(String, @Sendable (inout SamplingParameters) -> Void)] = [
        ("temperature", { $0.temperature = -0.1 }), ("temperature", { $0.temperature = 2.1 }),
        ("temperature", { $0.temperature = .nan }), ("temperature", { $0.temperature = .infinity }),
        ("top_p", { $0.topP = 0 }), ("top_p", { $0.topP = 1.01 }), ("top_p", { $0.topP = .nan }),
        ("top_k", { $0.topK = -2 }), ("min_p", { $0.minP = -0.1 }), ("min_p", { $0.minP = 1.1 }),
        ("repetition_penalty", { $0.repetitionPenalty = 0 }),
        ("repetition_penalty", { $0.repetitionPenalty = .infinity }),
        ("repetition_penalty", { $0.repetitionPenalty = .nan }),
        ("presence_penalty", { $0.presencePenalty = 2.1 }),
        ("frequency_penalty", { $0.frequencyPenalty = -2.1 }),
        ("logit_bias", { $0.logitBias = [3: 101] }), ("logit_bias", { $0.logitBias = [10: 1] }),
        ("logit_bias", { $0.logitBias = [-1: 1] }), ("logit_bias", { $0.logitBias = [3: .nan] }),
        ("min_tokens", { $0.minTokens = -1 }), ("stop_token_ids", { $0.stopTokens = [10] }),
        ("stop_token_ids", { $0.stopTokens = [Int32](repeating: 1, count: 1025) }),
        ("logprobs", { $0.logprobs = 21 }), ("logprobs", { $0.logprobs = -1 }),
    ]

    @Test(arguments: invalid.indices)
    func valuesOutsideTheirRangeAreRefusedByName(index: Int) {
        let (name, change) = Self.invalid[index]
        var parameters = SamplingParameters()
        change(&parameters)
        let error = samplingError { try parameters.validate(vocabularySize: 10) }
        #expect(error?.parameter == name)
        #expect(error?.code == .invalidParameter)
        #expect(samplingError { _ = try Sampler.make(10, change) } == error)
    }

    @Test func theEndsOfTheRangesAreAccepted() throws {
        var parameters = SamplingParameters()
        try parameters.validate(vocabularySize: 10)
        parameters.temperature = 2
        parameters.topK = -1
        parameters.minP = 1
        parameters.logitBias = [0: -100, 9: 100]
        parameters.stopTokens = [0, 9]
        parameters.logprobs = 20
        try parameters.validate(vocabularySize: 10)
        #expect(!parameters.isGreedy)
    }

    @Test func parametersSurviveEncoding() throws {
        var parameters = SamplingParameters()
        parameters.logitBias = [3: 1.5, 7: -2]
        parameters.seed = .max
        let copy = try JSONDecoder().decode(
            SamplingParameters.self, from: JSONEncoder().encode(parameters))
        #expect(copy == parameters)
    }
}
