// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import StrictJSON
import Testing

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

private let completionHead = ReplyHead(
    endpoint: .completions, id: "cmpl-1", created: 5, model: "roman")
private let chatHead = ReplyHead(
    endpoint: .chatCompletions, id: "chatcmpl-1", created: 5, model: "roman")

private func ended(_ text: String, _ reason: FinishReason) -> ReplyChoice {
    var choice = ReplyChoice(index: 0, text: text)
    choice.finishReason = reason
    return choice
}

private let logprobs = [
    TokenLogprob(
        text: "é", bytes: [0xC3, 0xA9], logprob: -0.5,
        likeliest: [
            TokenLogprob.Alternative(text: "é", bytes: [0xC3, 0xA9], logprob: -0.5),
            TokenLogprob.Alternative(text: "x", bytes: [0x78], logprob: -.infinity),
        ]),
    TokenLogprob(text: "ab", bytes: [0x61, 0x62], logprob: -0.1),
]

@Suite struct ReplyTests {
    @Test func aCompletionHasTheShapeOfOpenAIs() {
        var choice = ended("XIV", .stop)
        choice.stopReason = .text("\n")
        let reply = GenerationReply(
            head: completionHead, choices: [choice],
            usage: TokenUsage(promptTokens: 3, completionTokens: 2, cachedTokens: 0))
        #expect(
            text(reply.json) == """
                {"id":"cmpl-1","object":"text_completion","created":5,"model":"roman",\
                "choices":[{"index":0,"text":"XIV","logprobs":null,"finish_reason":"stop",\
                "stop_reason":"\\n"}],"usage":{"prompt_tokens":3,"total_tokens":5,\
                "completion_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}}
                """)
    }

    @Test func aChatHasTheShapeOfOpenAIs() {
        var choice = ended("XIV", .length)
        choice.promptTokenIDs = [1, 2]
        choice.tokenIDs = [3]
        var head = chatHead
        head.systemFingerprint = "fp"
        let reply = GenerationReply(
            head: head, choices: [choice],
            usage: TokenUsage(promptTokens: 2, completionTokens: 1))
        #expect(
            text(reply.json) == """
                {"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"roman",\
                "system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant",\
                "content":"XIV","refusal":null},"logprobs":null,"finish_reason":"length",\
                "stop_reason":null,"token_ids":[3]}],"usage":{"prompt_tokens":2,"total_tokens":3,\
                "completion_tokens":1,"prompt_tokens_details":null},"prompt_token_ids":[1,2]}
                """)
    }

    @Test func aChoiceOfAMixtureSaysWhatItsExpertsHaveCounted() {
        var choice = ended("XIV", .stop)
        choice.gate = [
            ExpertWeight(expert: "roman", weight: 0.75), ExpertWeight(expert: "date", weight: 0),
        ]
        for head in [completionHead, chatHead] {
            let whole = GenerationReply(
                head: head, choices: [choice],
                usage: TokenUsage(promptTokens: 3, completionTokens: 2))
            let chunk = ReplyChunk(head: head, choices: [choice])
            for json in [whole.json, chunk.json] {
                #expect(text(json).contains(#""gate":{"roman":0.75,"date":0.0}}]"#))
            }
        }
    }

    @Test func aChatStreamOpensContinuesAndEnds() {
        let opening = ReplyChunk.opening(
            head: chatHead, index: 1, promptTokenIDs: [9], usage: .pending)
        #expect(
            text(opening.json) == """
                {"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"roman",\
                "choices":[{"index":1,"delta":{"role":"assistant","content":""},"logprobs":null,\
                "finish_reason":null,"stop_reason":null}],"usage":null,"prompt_token_ids":[9]}
                """)
        let middle = ReplyChunk(head: chatHead, choices: [ReplyChoice(index: 0, text: "X")])
        #expect(text(middle.json).contains(#""delta":{"content":"X"},"logprobs":null"#))
        #expect(!text(middle.json).contains("usage"))
        let last = ReplyChunk(head: chatHead, choices: [ended("", .stop)])
        #expect(text(last.json).contains(#""delta":{},"logprobs":null,"finish_reason":"stop""#))
        let usage = ReplyChunk.usage(
            head: chatHead, TokenUsage(promptTokens: 1, completionTokens: 1))
        #expect(text(usage.json).contains(#""choices":[],"usage":{"prompt_tokens":1"#))
        #expect(text(StreamEvent.done) == "data: [DONE]\n\n")
    }

    @Test func aCompletionStreamHasTextAndTokenIDs() {
        var choice = ReplyChoice(index: 2, text: "X")
        choice.promptTokenIDs = [1]
        choice.tokenIDs = [2]
        choice.stopReason = .token(2)
        let chunk = ReplyChunk(
            head: completionHead, choices: [choice],
            usage: .counted(TokenUsage(promptTokens: 1, completionTokens: 1)))
        #expect(
            text(chunk.event) == """
                data: {"id":"cmpl-1","object":"text_completion","created":5,"model":"roman",\
                "choices":[{"index":2,"text":"X","logprobs":null,"finish_reason":null,\
                "stop_reason":2,"prompt_token_ids":[1],"token_ids":[2]}],"usage":\
                {"prompt_tokens":1,"total_tokens":2,"completion_tokens":1,\
                "prompt_tokens_details":null}}\n\n
                """)
    }

    @Test func completionLogprobsAreParallelLists() {
        var choice = ReplyChoice(index: 0, text: "éab")
        choice.logprobs = logprobs
        choice.textOffset = 7
        let chunk = ReplyChunk(head: completionHead, choices: [choice])
        #expect(
            text(chunk.json).contains(
                """
                "logprobs":{"text_offset":[7,8],"token_logprobs":[-0.5,-0.1],"tokens":["é","ab"],\
                "top_logprobs":[{"é":-0.5,"x":-9999.0},{"ab":-0.1}]}
                """))
    }

    @Test func chatLogprobsAreNestedObjects() {
        var choice = ReplyChoice(index: 0, text: "éab")
        choice.logprobs = logprobs
        let chunk = ReplyChunk(head: chatHead, choices: [choice])
        #expect(
            text(chunk.json).contains(
                """
                "logprobs":{"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],\
                "top_logprobs":[{"token":"é","logprob":-0.5,"bytes":[195,169]},\
                {"token":"x","logprob":-9999.0,"bytes":[120]}]},{"token":"ab","logprob":-0.1,\
                "bytes":[97,98],"top_logprobs":[]}]}
                """))
    }

    @Test func errorsHaveVLLMsShape() {
        let error = APIError.unknownModel("ronan", known: ["base", "roman", "french"])
        #expect(
            text(error.json) == """
                {"error":{"message":"The model `ronan` does not exist. Did you mean `roman`?",\
                "type":"NotFoundError","param":"model","code":404}}
                """)
        #expect(!APIError.unknownModel("zzz", known: ["roman"]).message.contains("mean"))
        let full = APIError.overloaded("The queue is full.", retryAfterSeconds: 2)
        #expect(full.status == 503 && full.type == "ServiceUnavailableError")
        #expect(full.headers.map(\.name) == ["Retry-After"] && full.headers[0].value == "2")
        #expect(text(StreamEvent.failure(full)).hasPrefix("data: {\"error\":{"))
        #expect(APIError.Code.allCases.allSatisfy { $0.type.hasSuffix("Error") })
    }

    @Test func modelCardsTellBaseFromAdapter() throws {
        let base = ModelCard(id: "base", created: 1, root: "/m", maxModelLength: 2048)
        let adapter = ModelCard(id: "roman", created: 1, root: "/a/roman", parent: "base")
        let list = text(ModelCard.list([base, adapter]))
        #expect(list.hasPrefix(#"{"object":"list","data":[{"id":"base","object":"model","#))
        #expect(
            list.contains(#""owned_by":"burrow","root":"/m","parent":null,"max_model_len":2048"#))
        #expect(list.contains(#""root":"/a/roman","parent":"base","max_model_len":null"#))
        #expect(
            text(adapter.json).contains(
                #""permission":[{"id":"modelperm-roman","object":"model_permission","#))
        #expect(throws: Never.self) { try JSONValue(parsing: ModelCard.list([base, adapter])) }
    }

    @Test func adapterRepliesAreVLLMs() {
        #expect(AdapterReply.added("a") == "Success: LoRA adapter 'a' added successfully.")
        #expect(AdapterReply.removed("a") == "Success: LoRA adapter 'a' removed successfully.")
        let loaded = APIError.adapterAlreadyLoaded("a")
        #expect(loaded.status == 400 && loaded.type == "InvalidUserInput")
        #expect(APIError.adapterNotFound("a").message == "The lora adapter 'a' cannot be found.")
        #expect(
            APIError.adapterGenerationMismatch("a", expected: 1, live: 2).status == 409)
        #expect(APIError.adapterPathForbidden("/etc").status == 403)
        #expect(APIError.adapterBusy("a", retryAfterSeconds: 1).status == 429)
        #expect(APIError.adapterFilesNotFound("a", path: "/x").status == 404)
        #expect(APIError.adapterNotLoadable("a", reason: "rank 0.").status == 400)
        #expect(APIError.adapterNameTaken("a", by: "the base model").status == 400)
    }

    @Test func adapterListingsAreComplete() {
        var listing = AdapterListing(
            name: "roman", path: "/a", generation: 2, residency: "resident", bytes: 10)
        listing.ranks = [4, 8]
        listing.loads = 3
        #expect(
            text(AdapterListing.list([listing])) == """
                {"object":"list","data":[{"name":"roman","path":"/a","residency":"resident",\
                "generation":2,"bytes":10,"ranks":[4,8],"pinned":false,"counts":{"running":0,\
                "waiting":0,"requests":0,"loads":3,"evictions":0}}]}
                """)
    }

    @Test func smallRepliesAreVLLMs() {
        #expect(text(ServerReply.version("1.0")) == #"{"version":"1.0"}"#)
        #expect(ServerReply.healthStatus(isServing: false) == 503)
        #expect(
            text(
                ServerReply.tokenize(tokens: [1, 2], tokenStrings: ["a", "b"], maxModelLength: 9))
                == #"{"count":2,"max_model_len":9,"tokens":[1,2],"token_strs":["a","b"]}"#)
        #expect(
            text(ServerReply.tokenize(tokens: [], tokenStrings: nil, maxModelLength: 9))
                == #"{"count":0,"max_model_len":9,"tokens":[],"token_strs":null}"#)
        #expect(text(ServerReply.detokenize("x\"")) == #"{"prompt":"x\""}"#)
    }
}
