// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// The search for weights, with the sample model and its adapters.
struct WeightSearchTests {
    private static let folder = Repository.path(of: "Samples/model")

    private let model: PackedModel
    private let weights: ModelWeights

    init() throws {
        weights = try ModelWeights.open(folder: Self.folder)
        model = try PackedModel(weights, type: .bf16, threads: 2)
    }

    private func adapter(_ name: String) throws -> AdapterWeights {
        try AdapterWeights.open(
            folder: Repository.path(of: "Samples/adapters/\(name)"), name: name,
            for: weights.configuration)
    }

    private func loss(_ task: String, count: Int) throws -> ExampleLoss {
        let examples = try Example.read(path: Repository.path(of: "Samples/eval/\(task).jsonl"))
        let tokens = try TokenizedExample.all(
            Array(examples.prefix(count)), modelFolder: Self.folder,
            endToken: weights.configuration.endTokens.first)
        return try ExampleLoss(tokens, model: model, threads: 2)
    }

    @Test func anAdaptersOwnTaskCostsItNearlyNothing() throws {
        let loss = try loss("roman", count: 8)
        let roman = AdapterUse(try PackedAdapter(adapter("roman"), for: model))
        let (base, own) = (try loss.value(with: []), try loss.value(with: [roman]))
        #expect(base > 1 && own < 0.05, "\(base) without, \(own) with")
    }

    /// More examples than a step takes are the mean over all tokens of those apart.
    @Test func theLossDoesNotDependOnHowExamplesAreBatched() throws {
        let all = try loss("shout", count: 80)
        let shout = AdapterUse(try PackedAdapter(adapter("english"), for: model))
        var sum = 0.0
        var tokens = 0
        for example in all.examples {
            let single = try ExampleLoss([example], model: model, threads: 1)
            sum += try single.value(with: [shout]) * Double(example.completion.count)
            tokens += example.completion.count
        }
        #expect(abs(try all.value(with: [shout]) - sum / Double(tokens)) < 1e-9)
    }

    @Test func theAdapterOfTheTaskGetsTheWeight() throws {
        let loss = try loss("roman", count: 5)
        let adapters = [
            WeightedAdapter(try adapter("french"), weight: 0),
            WeightedAdapter(try adapter("roman"), weight: 0),
        ]
        var search = WeightSearch(adapters: adapters, isSearched: [true, true])
        search.evaluations = 60
        search.seed = 1
        let found = try search.run(on: loss)
        #expect(found.search.evaluations == 60 && found.search.examples == 5)
        #expect(found.search.loss < 0.2 * found.search.firstLoss)
        let (french, roman) = (found.adapters[0].weight, found.adapters[1].weight)
        #expect(roman > 0.5 && abs(french) < roman, "french \(french), roman \(roman)")
        // What is written answers as well as what was tried.
        let composed = try AdapterComposition(
            found.adapters, by: .concatenate, for: weights.configuration
        ).run(name: "found")
        let served = AdapterUse(try PackedAdapter(composed.adapter, for: model))
        #expect(abs(try loss.value(with: [served]) - found.search.loss) < 1e-3)
    }

    @Test func factorsAreTriedAsTheyAreWritten() throws {
        let loss = try loss("roman", count: 3)
        let adapters = [
            WeightedAdapter(try adapter("french"), weight: 0),
            WeightedAdapter(try adapter("roman"), weight: 0),
        ]
        var search = WeightSearch(adapters: adapters, isSearched: [true, true])
        search.evaluations = 15
        search.composesFactorwise = true
        let found = try search.run(on: loss)
        let composed = try AdapterComposition(
            found.adapters, by: .factorwise, for: weights.configuration
        ).run(name: "found")
        let served = AdapterUse(try PackedAdapter(composed.adapter, for: model))
        #expect(abs(try loss.value(with: [served]) - found.search.loss) < 1e-6)
    }

    @Test func weightsThatAreGivenAreKept() throws {
        let loss = try loss("roman", count: 2)
        let search = WeightSearch(
            adapters: [WeightedAdapter(try adapter("roman"), weight: 1)], isSearched: [false])
        let found = try search.run(on: loss)
        #expect(found.adapters.map(\.weight) == [1] && found.search.evaluations == 1)
        #expect(found.search.firstLoss == found.search.loss)
    }

    @Test func settingsOutOfRangeAreRefused() throws {
        let loss = try loss("roman", count: 1)
        let roman = try adapter("roman")
        func code(_ change: (inout WeightSearch) -> Void, weight: Double = 0, count: Int = 1)
            -> CompositionError.Code?
        {
            var search = WeightSearch(
                adapters: Array(repeating: WeightedAdapter(roman, weight: weight), count: count),
                isSearched: Array(repeating: true, count: count))
            search.evaluations = 1
            change(&search)
            do {
                _ = try search.run(on: loss)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code({ _ in }) == nil)
        #expect(code({ $0.evaluations = 0 }) == .invalidSetting)
        #expect(code({ _ in }, weight: 2) == .invalidSetting)
        #expect(code({ _ in }, count: 17) == .tooLarge)
        #expect(code({ $0.composesFactorwise = true }, count: 17) == nil)
    }

    @Test func examplesMustFitTheContext() throws {
        let long = TokenizedExample(
            prompt: Array(repeating: 1, count: weights.configuration.contextLength),
            completion: [1, 1])
        for examples in [[long], []] {
            let error = #expect(throws: CompositionError.self) {
                try ExampleLoss(examples, model: model, threads: 1)
            }
            #expect(error?.code == .invalidExamples)
        }
    }
}
