// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What is known of the sample model and its adapters.
enum SampleModel {
    static let adapters = [
        "add", "date", "english", "french", "pig", "reverse", "roman", "shout",
    ]

    /// A prompt of the evaluation with the answer that is right.
    struct Question: Sendable {
        var task: String
        var prompt: String
        var answer: String
    }

    static func evaluation(of task: String) throws -> [Question] {
        try Built.text("Samples/eval/\(task).jsonl").split(separator: "\n").map { line in
            let json = try JSON(parsing: String(line))
            return Question(
                task: json["task"].text ?? "", prompt: json["prompt"].text ?? "",
                answer: json["answer"].text ?? "")
        }
    }

    /// The exact match of each adapter on its own task that `accuracy.json` states.
    static func statedAccuracy() throws -> [String: Double] {
        let stated = try JSON(parsing: Built.text("Samples/accuracy.json"))
        return Dictionary(
            uniqueKeysWithValues: adapters.map { ($0, stated[$0][$0].number ?? .infinity) })
    }

    /// A prompt with what transformers and PEFT answer, greedy, in f32.
    struct Reference: Sendable {
        /// `sample` for the base.
        var model: String
        var prompt: String
        var promptIDs: [Int]
        var greedyIDs: [Int]
        var text: String
        /// For each step the three likeliest tokens with their logprobs, in falling order.
        var top: [[(id: Int, logprob: Double)]]
    }

    /// 24 prompts for the base and for each adapter.
    static func references() throws -> [Reference] {
        let all = try JSON(parsing: Built.text("Samples/reference.json"))
        return all.members.sorted { $0.key < $1.key }.flatMap { name, entries in
            entries.list.map { entry in
                Reference(
                    model: name == "base" ? "sample" : name, prompt: entry["prompt"].text ?? "",
                    promptIDs: entry["prompt_ids"].integers,
                    greedyIDs: entry["greedy_ids"].integers, text: entry["text"].text ?? "",
                    top: entry["top3"].list.map { step in
                        zip(step["ids"].integers, step["logprobs"].list.compactMap(\.number))
                            .map { (id: $0, logprob: $1) }
                    })
            }
        }
    }

    /// The body of a chat request with one question, greedy unless `more` says otherwise.
    static func chat(_ model: String, _ prompt: String, _ more: [String: JSON] = [:]) -> JSON {
        let message: JSON = ["role": "user", "content": .text(prompt)]
        let body: [String: JSON] = [
            "model": .text(model), "temperature": 0, "messages": .list([message]),
        ]
        return .object(body.merging(more) { $1 })
    }

    /// A chat that runs long: `choices` times 480 tokens.
    static func longChat(_ model: String, choices: Int, _ more: [String: JSON] = [:]) -> JSON {
        let long: [String: JSON] = [
            "ignore_eos": true, "max_tokens": 480, "n": .number(Double(choices)),
        ]
        return chat(model, "Write 47 as a Roman numeral.", long.merging(more) { $1 })
    }
}
