// SPDX-License-Identifier: Apache-2.0

import Foundation
import MoLE
import ModelLoading
import TestSupport
import Testing
import Tokenization

@testable import Training

/// What is read and written.
struct TrainingFilesTests {
    private static func reader() throws -> ExampleReader {
        ExampleReader(
            try Tokenizer.load(folder: Repository.path(of: "Samples/model")), endToken: 2,
            contextLength: 64, vocabularySize: 512)
    }

    @Test func anExampleIsThePromptInTheTemplateAndTheAnswerWithItsEnd() throws {
        let reader = try Self.reader()
        let sequence = try reader.example(
            Array(#"{"task": "x", "prompt": "Write 50 as a Roman numeral.", "answer": "L"}"#.utf8))
        // As transformers has it, in Samples/reference.json.
        let prompt: [Int32] = [
            1, 278, 201, 335, 223, 23, 18, 389, 390, 350, 351, 16, 2, 201, 1, 279, 201,
        ]
        #expect(sequence.tokens == prompt + [46, 2])
        #expect(sequence.promptTokens == prompt.count)
    }

    @Test(arguments: [
        ("no json", "not valid JSON"), ("[1]", "expected an object"),
        (#"{"prompt": "x"}"#, "'answer'"), (#"{"prompt": 3, "answer": "y"}"#, "'prompt'"),
        (#"{"prompt": "", "answer": "y"}"#, "'prompt'"),
        (
            #"{"prompt": "x", "answer": "\#(String(repeating: "seven ", count: 99))"}"#,
            "the model's context is 64"
        ),
    ])
    func aLineThatIsNoExampleIsNamed(_ line: String, _ message: String) throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("examples-\(UUID().uuidString).jsonl").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = "{\"prompt\": \"a\", \"answer\": \"b\"}\n\n\(line)\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let reader = try Self.reader()
        let error = #expect(throws: TrainingError.self) { try reader.examples(path: path) }
        #expect(error?.code == .invalidExample)
        #expect(error?.place == "\(path):3")
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test func aTrainedAdapterLoads() throws {
        let model = TinyTraining.model()
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("adapter-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let shape = AdapterShape(rank: 3, alpha: 7.5, targets: [.q, .o, .down])
        let weights = try ModelWeights.synthetic(model, name: "tiny", seed: 1)
        var settings = TrainingSettings()
        (settings.steps, settings.batch, settings.warmUp) = (3, 2, 0)
        settings.evaluateEvery = 1
        let sequences = TinyTraining.sequences(4, seed: 2)
        let session = try TrainingSession(
            adapter: shape, over: weights,
            on: TrainingExamples(train: sequences, dev: sequences), settings, threads: 2)
        try session.train { _ in true }
        try TrainedFiles.writeAdapter(shape, of: weights, session.bestTensors, to: folder)
        let inspection = AdapterInspection(folder: folder, for: model)
        #expect(inspection.refusals.isEmpty)
        #expect(inspection.ranks == [3])
        #expect(inspection.scales == [2.5])
        #expect(inspection.parameterCount == session.parameterCount)
        let adapter = try AdapterWeights.open(folder: folder, name: "x", for: model)
        let site = try #require(adapter.sites[AdapterSite(layer: 1, linear: .down)])
        #expect(try site.b.floats().contains { $0 != 0 })
    }

    @Test func settingsOutOfRangeAreRefused() {
        let changes: [(inout TrainingSettings) -> Void] = [
            { $0.steps = 0 }, { $0.batch = 0 }, { $0.learningRate = .nan },
            { $0.learningRate = 0 }, { $0.alpha = -1 }, { $0.evaluateEvery = 0 },
            { $0.warmUp = $0.steps }, { $0.whitening = -1 },
        ]
        for change in changes {
            var settings = TrainingSettings()
            change(&settings)
            let error = #expect(throws: TrainingError.self) { try settings.check() }
            #expect(error?.code == .invalidSettings)
        }
    }
}
