// SPDX-License-Identifier: Apache-2.0

import Testing

@Suite(.serving(ServedManifest(dtype: "bf16")))
struct AccuracyTests {
    /// 1,600 requests over 32 connections that stay open, four for each adapter.
    @Test func everyAdapterReachesItsStatedAccuracyWithAllEightAtOnce() async throws {
        let port = try Client.ofSuite.port
        let questions = try SampleModel.adapters.flatMap {
            try SampleModel.evaluation(of: $0).chunks(4)
        }
        let right = try await allAtOnce(questions) { questions in
            let connection = try WireConnection(port: port)
            return try questions.filter { question in
                let reply = try connection.post(
                    "/v1/chat/completions", SampleModel.chat(question.task, question.prompt))
                let message = try reply.json["choices"][0]["message"]
                return message["content"].text == question.answer
            }.map(\.task)
        }
        let stated = try SampleModel.statedAccuracy()
        for adapter in SampleModel.adapters {
            let asked = questions.joined().count { $0.task == adapter }
            #expect(asked == 200)
            let accuracy = Double(right.joined().count { $0 == adapter }) / Double(asked)
            #expect(accuracy >= stated[adapter]!, "\(adapter)")
        }
    }
}

extension Array {
    /// The elements in `count` parts of about the same length, every so many-th in a part.
    fileprivate func chunks(_ count: Int) -> [[Element]] {
        (0..<count).map { part in
            stride(from: part, to: self.count, by: count).map { self[$0] }
        }
    }
}
