// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// Files of examples, and their tokens.
struct ExampleTests {
    @Test func linesAreReadInOrder() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "few.jsonl",
            """
            {"task": "roman", "prompt": "Write 4 as a Roman numeral.", "answer": "IV"}

            {"prompt": "x", "answer": "y", "source": 3}
            """)
        #expect(
            try Example.read(path: path) == [
                Example(
                    prompt: "Write 4 as a Roman numeral.", answer: "IV", task: "roman"),
                Example(prompt: "x", answer: "y"),
            ])
    }

    @Test(arguments: [
        ("", "holds no example"), (" \n\n", "holds no example"), ("{}", ":1: must be"),
        ("[1]", ":1: must be"), ("{\"prompt\": \"x\", \"answer\": \"\"}", "not empty"),
        ("{\"prompt\": 1, \"answer\": \"y\"}", ":1: must be"),
        ("{\"prompt\": \"x\", \"answer\": \"y\"}\n\nnonsense", ":3: not valid JSON"),
    ])
    func badFilesAreToldWithTheirLine(text: String, message: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("bad.jsonl", text)
        let error = #expect(throws: CompositionError.self) { try Example.read(path: path) }
        #expect(error?.code == .invalidExamples)
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test func aMissingFileIsTold() {
        let error = #expect(throws: CompositionError.self) {
            try Example.read(path: "/nowhere/few.jsonl")
        }
        #expect(error?.place == "/nowhere/few.jsonl")
    }

    @Test func promptsGoThroughTheTemplateAndAnswersEnd() throws {
        let folder = Repository.path(of: "Samples/model")
        let model = try ModelConfiguration.open(folder: folder)
        let end = try #require(model.endTokens.first)
        let example = Example(prompt: "Write 47 as a Roman numeral.", answer: "XLVII")
        let tokens = try TokenizedExample.all([example], modelFolder: folder, endToken: end)[0]
        #expect(tokens.completion.last == end && tokens.completion.count > 1)
        #expect(tokens.input.count == tokens.prompt.count + tokens.completion.count - 1)
        // The template begins each turn with a token of its own.
        #expect(tokens.prompt.count { $0 == tokens.prompt[0] } == 2)
        let bare = try TokenizedExample.all([example], modelFolder: folder, endToken: nil)[0]
        #expect(bare.completion == tokens.completion.dropLast())
    }
}
