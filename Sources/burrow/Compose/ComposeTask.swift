// SPDX-License-Identifier: Apache-2.0

import Composition
import Inference
import ModelLoading

/// What the options of `burrow compose` ask for, with everything read that they name.
struct ComposeTask {
    private let options: ComposeOptions
    private let modelFolder: String
    private let model: ModelConfiguration
    private let adapters: [WeightedAdapter]

    init(_ options: ComposeOptions, modelFolder: String) throws(CompositionError) {
        self.options = options
        self.modelFolder = modelFolder
        do throws(ModelLoadingError) {
            let model = try ModelConfiguration.open(folder: modelFolder)
            var adapters: [WeightedAdapter] = []
            for argument in options.adapters {
                let adapter = try AdapterWeights.open(
                    folder: WorkingFolder.absolute(argument.path), name: argument.name, for: model)
                let usual: Double = options.method == .lorahub ? 0 : 1
                adapters.append(WeightedAdapter(adapter, weight: argument.weight ?? usual))
            }
            self.model = model
            self.adapters = adapters
        } catch {
            throw CompositionError(.unreadable, error.description)
        }
    }

    /// The composition, and the search for its weights if there was one.
    func composition(
        progress: (Double) -> Void
    ) throws(CompositionError) -> (AdapterComposition, CompositionReport.Search?) {
        var adapters = adapters
        var search: CompositionReport.Search?
        if options.method == .lorahub {
            let found = try searched(progress)
            adapters = found.adapters
            search = found.search
        }
        var composition = try AdapterComposition(adapters, by: try method(progress), for: model)
        composition.rank = options.rank
        composition.seed = options.seed
        composition.type = options.dtype.elementType
        return (composition, search)
    }

    private func method(
        _ progress: (Double) -> Void
    ) throws(CompositionError) -> CompositionMethod {
        let usual = options.method.defaultDensity(adapterCount: adapters.count)
        let density = options.density ?? usual ?? 1
        switch options.method {
        case .concatenate: return .concatenate
        case .svd: return .svd
        case .ties: return .ties(density: density)
        case .dare: return .dare(density: density)
        case .dareTies: return .dareTies(density: density)
        case .magnitudePrune: return .magnitudePrune(density: density)
        case .lorahub: return options.crossTerms ? .factorwise : .concatenate
        case .regmean: return .regressionMean(try inputs(progress))
        }
    }

    private func searched(
        _ progress: (Double) -> Void
    ) throws(CompositionError) -> WeightSearch.Outcome {
        var search = WeightSearch(
            adapters: adapters, isSearched: options.adapters.map { $0.weight == nil })
        search.evaluations = options.evaluations ?? search.evaluations
        search.seed = options.seed
        search.composesFactorwise = options.crossTerms
        let loss = try ExampleLoss(
            tokenized(try readExamples()), model: try base(), threads: threads)
        return try search.run(on: loss, progress: progress)
    }

    /// What goes into the linear layers when each adapter answers the examples of its name.
    private func inputs(_ progress: (Double) -> Void) throws(CompositionError) -> LinearInputs {
        let examples = try readExamples()
        var own: [[TokenizedExample]] = []
        for adapter in adapters {
            own.append(try tokenized(examples.filter { $0.task == adapter.name }))
        }
        return try LinearInputCapture(model: try base(), threads: threads).inputs(
            of: adapters, on: own,
            correlationShare: options.correlationShare ?? LinearInputs.usualCorrelationShare,
            progress: progress)
    }

    private var threads: Int { options.threads ?? max(1, ThreadTeam.processors.count) }

    /// The base model, in single precision unless half is exact.
    private func base() throws(CompositionError) -> PackedModel {
        do {
            let weights = try ModelWeights.open(folder: modelFolder)
            return try PackedModel(
                weights, type: weights.embedding.type == .bf16 ? .bf16 : .f32, threads: threads)
        } catch let error as ModelLoadingError {
            throw CompositionError(.unreadable, error.description)
        } catch let error as InferenceError {
            throw CompositionError(.unreadable, error.description)
        } catch {
            throw CompositionError(.unreadable, "\(error)")
        }
    }

    // MARK: - Examples

    private func readExamples() throws(CompositionError) -> [Example] {
        var examples: [Example] = []
        for path in options.data {
            examples += try Example.read(path: WorkingFolder.absolute(path))
        }
        guard let limit = options.examples else { return examples }
        var counts: [String?: Int] = [:]
        return examples.filter { example in
            counts[example.task, default: 0] += 1
            return counts[example.task, default: 0] <= limit
        }
    }

    private func tokenized(_ examples: [Example]) throws(CompositionError) -> [TokenizedExample] {
        try TokenizedExample.all(
            examples, modelFolder: modelFolder, endToken: model.endTokens.first)
    }
}
