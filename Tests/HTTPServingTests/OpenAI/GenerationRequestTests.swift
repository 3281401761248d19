// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import StrictJSON
import TestSupport
import Testing

private func completion(_ text: String) throws(APIError) -> GenerationRequest {
    try GenerationRequest(completions: Array(text.utf8))
}

private func chat(_ text: String) throws(APIError) -> GenerationRequest {
    try GenerationRequest(chatCompletions: Array(text.utf8))
}

private func completion(_ bytes: [UInt8]) throws -> GenerationRequest {
    try GenerationRequest(completions: bytes)
}

private func chat(_ bytes: [UInt8]) throws -> GenerationRequest {
    try GenerationRequest(chatCompletions: bytes)
}

@Suite struct GenerationRequestTests {
    @Test func aBareCompletionHasTheDefaults() throws {
        let request = try completion(#"{"model": "m", "prompt": "Hi"}"#)
        #expect(request.endpoint == .completions)
        #expect(request.model == "m")
        #expect(request.input == .prompts([.text("Hi")]))
        #expect(request.sampling == SamplingFields())
        #expect(request.stopping.maxTokens == 16)
        #expect(request.output == OutputFields())
        #expect(request.choiceCount == 1)
        #expect(request.addsSpecialTokens)
        #expect(request.mixture == nil)
        #expect(request.serviceClass == nil)
        let named = try completion(#"{"prompt": "Hi", "service_class": "interactive"}"#)
        #expect(named.serviceClass == "interactive")
    }

    @Test func aBareChatHasTheDefaults() throws {
        let request = try chat(#"{"messages": [{"role": "user", "content": "Hi"}]}"#)
        #expect(request.endpoint == .chatCompletions)
        #expect(request.model == nil)
        #expect(request.stopping.maxTokens == nil)
        #expect(!request.addsSpecialTokens)
        guard case .chat(let input) = request.input else { return #expect(Bool(false)) }
        #expect(input.messages.map(\.role) == [.user])
        #expect(input.messages[0].content == .text("Hi"))
        #expect(input.addsGenerationPrompt)
    }

    @Test(
        arguments: [
            (#""a""#, [.text("a")]), (#"["a", "b"]"#, [.text("a"), .text("b")]),
            ("[1, 2.0]", [.tokens([1, 2])]), ("[[1], [2, 3]]", [.tokens([1]), .tokens([2, 3])]),
            (#""""#, [.text("")]),
        ] as [(String, [PromptInput])])
    func promptsComeInFourForms(json: String, prompts: [PromptInput]) throws {
        #expect(try completion("{\"prompt\": \(json)}").input == .prompts(prompts))
    }

    @Test func everySamplingFieldIsRead() throws {
        let request = try completion(
            """
            {"prompt": "x", "temperature": 0, "top_p": 0.5, "top_k": -1, "min_p": 0.1, "seed": -7,
             "presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1.1, "n": 2.0,
             "logit_bias": {"10": -100, "3": 1.5}, "max_tokens": 5, "min_tokens": 2,
             "stop": ["a", "b"], "stop_token_ids": [7], "ignore_eos": true, "logprobs": 3,
             "include_stop_str_in_output": true, "skip_special_tokens": false, "stream": true,
             "stream_options": {"include_usage": true, "continuous_usage_stats": true},
             "return_token_ids": true, "add_special_tokens": false, "user": "u", "priority": 0,
             "kv_transfer_params": {"x": 1}, "mixture": {"mask": ["roman", "date"], "gate": true}, "unknown": [1]}
            """)
        #expect(request.sampling.temperature == 0)
        #expect(request.sampling.topP == 0.5)
        #expect(request.sampling.topK == 0)
        #expect(request.sampling.minP == 0.1)
        #expect(request.sampling.seed == -7)
        #expect(request.sampling.presencePenalty == -2)
        #expect(request.sampling.frequencyPenalty == 2)
        #expect(request.sampling.repetitionPenalty == 1.1)
        #expect(request.sampling.logitBias.map(\.token) == [3, 10])
        #expect(request.sampling.logitBias.map(\.bias) == [1.5, -100])
        #expect(request.choicesPerPrompt == 2)
        #expect(request.stopping.maxTokens == 5 && request.stopping.minTokens == 2)
        #expect(request.stopping.stop == ["a", "b"])
        #expect(request.stopping.stopTokenIDs == [7])
        #expect(request.stopping.ignoresEndToken && request.stopping.includesStop)
        #expect(request.output.logprobs == 3)
        #expect(!request.output.skipsSpecialTokens && request.output.returnsTokenIDs)
        #expect(request.output.includesUsage && request.output.includesUsageInEachChunk)
        #expect(!request.addsSpecialTokens)
        #expect(request.user == "u")
        #expect(request.mixture?.mask == ["roman", "date"])
        #expect(request.mixture?.reportsGate == true)
    }

    @Test func nullCountsAsLeftOut() throws {
        let names = [
            "model", "temperature", "top_p", "top_k", "seed", "stop", "n", "logit_bias", "logprobs",
            "stream_options", "echo", "suffix", "best_of", "response_format", "tools", "mixture",
            "speculation", "guided_json", "truncate_prompt_tokens", "priority", "max_tokens",
            "user",
        ]
        let nulls = names.map { "\"\($0)\": null" }.joined(separator: ", ")
        #expect(try completion("{\"prompt\": \"x\", \(nulls)}") == completion(#"{"prompt": "x"}"#))
    }

    @Test func theNewerTokenLimitWins() throws {
        let both = #"{"prompt": "x", "max_tokens": 5, "max_completion_tokens": 7}"#
        #expect(try completion(both).stopping.maxTokens == 7)
        #expect(
            try chat(
                #"{"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 9}"#
            ).stopping.maxTokens == 9)
        #expect(try completion(#"{"prompt": "x", "min_tokens": 20}"#).stopping.maxTokens == 20)
    }

    @Test(arguments: [
        (#"{}"#, "prompt", "is missing"),
        (#"{"prompt": 3}"#, "prompt", "must be a string, a list of strings"),
        (#"{"prompt": []}"#, "prompt", "is empty"),
        (#"{"prompt": [[]]}"#, "prompt[0]", "at least one token"),
        (#"{"prompt": ["a", 1]}"#, "prompt[1]", "a string like those before it, but it is 1"),
        (#"{"prompt": [1, "a"]}"#, "prompt[1]", "an integer from 0"),
        (#"{"prompt": [1, -1]}"#, "prompt[1]", "but it is -1"),
        (#"{"prompt": [[1], [1.5]]}"#, "prompt[1][0]", "but it is 1.5"),
        (#"{"prompt": [99999999999999999999]}"#, "prompt[0]", "but it is 1e+20"),
        (#"{"prompt": "x", "temperature": -1}"#, "temperature", "from 0.0 to 100.0"),
        (#"{"prompt": "x", "temperature": "hot"}"#, "temperature", "but it is \"hot\""),
        (#"{"prompt": "x", "top_p": 0}"#, "top_p", "above 0"),
        (#"{"prompt": "x", "top_k": 1.5}"#, "top_k", "an integer"),
        (#"{"prompt": "x", "n": 0}"#, "n", "from 1 to 128"),
        (#"{"prompt": ["a","b","c"], "n": 100}"#, "n", "300 choices"),
        (#"{"prompt": "x", "n": true}"#, "n", "but it is true"),
        (#"{"prompt": "x", "max_tokens": 0}"#, "max_tokens", "an integer from 1"),
        (#"{"prompt": "x", "max_tokens": 1e30}"#, "max_tokens", "an integer from 1"),
        (#"{"prompt": "x", "max_tokens": 2, "min_tokens": 3}"#, "min_tokens", "more than"),
        (#"{"prompt": "x", "stop": ""}"#, "stop", "1 to 1024 bytes"),
        (#"{"prompt": "x", "stop": [1]}"#, "stop", "a string or a list of strings"),
        (#"{"prompt": "x", "logprobs": 21}"#, "logprobs", "from 0 to 20"),
        (#"{"prompt": "x", "logprobs": true}"#, "logprobs", "but it is true"),
        (#"{"prompt": "x", "logit_bias": {"a": 1}}"#, "logit_bias", "a key \"a\""),
        (#"{"prompt": "x", "logit_bias": {"1": 101}}"#, "logit_bias.1", "from -100.0 to 100.0"),
        (#"{"prompt": "x", "logit_bias": {"1": 1, "01": 1}}"#, "logit_bias", "token 1 twice"),
        (#"{"prompt": "x", "stream_options": {}}"#, "stream_options", "set stream to true"),
        (#"{"prompt": "x", "seed": 1e40}"#, "seed", "an integer of 64 bits"),
        (#"{"prompt": "x", "mixture": {"mask": [2]}}"#, "mixture.mask[0]", "the name of an expert"),
        (#"{"prompt": "x", "service_class": 3}"#, "service_class", "a string"),
        (#"{"prompt": "x", "speculation": true}"#, "speculation", "an object"),
        (#"{"prompt": "x", "speculation": {"tokens": 0}}"#, "speculation.tokens", "1 to 16"),
        (#"{"prompt": "x", "speculation": {"ngram": 17}}"#, "speculation.ngram", "1 to 16"),
        (#"{"prompt": "x", "speculation": {"ngram": 1.5}}"#, "speculation.ngram", "1.5"),
        (#"{"prompt": "x", "stream": 1}"#, "stream", "true or false"),
    ])
    func badCompletionsAreRefusedByField(json: String, field: String, part: String) {
        let error = #expect(throws: APIError.self) { try completion(json) }
        #expect(error?.status == 400)
        #expect(error?.type == "BadRequestError")
        #expect(error?.parameter == field)
        #expect(error?.message.contains("`\(field)` ") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        (#"{}"#, "messages", "is missing"),
        (#"{"messages": []}"#, "messages", "is empty"),
        (#"{"messages": ["x"]}"#, "messages[0]", "an object"),
        (#"{"messages": [{"content": "x"}]}"#, "messages[0].role", "is missing"),
        (
            #"{"messages": [{"role": "robot", "content": "x"}]}"#, "messages[0].role",
            "one of system"
        ),
        (#"{"messages": [{"role": "user"}]}"#, "messages[0].content", "is missing"),
        (#"{"messages": [{"role": "assistant"}]}"#, "messages[0].content", "is missing"),
        (
            #"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#,
            "messages[0].content[0].type", "is \"image_url\": this model reads text only"
        ),
        (
            #"{"messages": [{"role": "user", "content": [{"type": "text"}]}]}"#,
            "messages[0].content[0].text", "is missing"
        ),
        (
            #"{"messages": [{"role": "user", "content": "x"}], "top_logprobs": 2}"#,
            "top_logprobs", "needs logprobs"
        ),
        (
            #"{"messages": [{"role": "user", "content": "x"}], "logprobs": 2}"#,
            "logprobs", "true or false"
        ),
        (
            #"{"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": []}"#,
            "chat_template_kwargs", "an object"
        ),
    ])
    func badChatsAreRefusedByField(json: String, field: String, part: String) {
        let error = #expect(throws: APIError.self) { try chat(json) }
        #expect(error?.parameter == field)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("echo", "true"), ("suffix", "\"x\""), ("best_of", "2"), ("best_of", "\"x\""),
        ("response_format", #"{"type": "json_object"}"#), ("guided_json", "{}"),
        ("structured_outputs", #"{"regex": "a"}"#), ("truncate_prompt_tokens", "5"),
        ("use_beam_search", "true"), ("prompt_logprobs", "0"), ("allowed_token_ids", "[1]"),
        ("bad_words", "[\"x\"]"), ("priority", "1"), ("prompt_embeds", "\"x\""),
        ("return_tokens_as_token_ids", "true"),
    ])
    func whatWouldChangeACompletionIsRefusedByName(field: String, value: String) {
        let error = #expect(throws: APIError.self) {
            try completion("{\"prompt\": \"x\", \"\(field)\": \(value)}")
        }
        #expect(error?.status == 400)
        #expect(error?.parameter == field)
        #expect(error?.message.contains("is not supported") == true)
    }

    @Test(arguments: [
        ("tools", #"[{"type": "function"}]"#), ("tool_choice", "\"required\""),
        ("continue_final_message", "true"), ("chat_template", "\"{{x}}\""),
        ("documents", "[{}]"), ("modalities", "[\"audio\"]"), ("echo", "true"),
        ("functions", "[{}]"),
    ])
    func whatWouldChangeAChatIsRefusedByName(field: String, value: String) {
        let error = #expect(throws: APIError.self) {
            try chat(
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], "
                    + "\"\(field)\": \(value)}")
        }
        #expect(error?.parameter == field)
    }

    @Test func harmlessValuesOfUnsupportedFieldsAreTaken() throws {
        let request = try chat(
            """
            {"messages": [{"role": "user", "content": "x"}], "tools": [], "tool_choice": "auto",
             "response_format": {"type": "text"}, "echo": false, "modalities": ["text"], "n": 2,
             "best_of": 2, "parallel_tool_calls": true, "logprobs": false, "store": true}
            """)
        #expect(request.output.logprobs == nil)
        let empty = #"{"model": "", "prompt": "x", "suffix": "", "best_of": 1}"#
        #expect(try completion(empty).model == nil)
    }

    @Test func aChatKeepsPartsToolsAndTemplateArguments() throws {
        let request = try chat(
            """
            {"messages": [
              {"role": "developer", "content": [{"type": "text", "text": "a"},
                                                {"type": "text", "text": "b"}]},
              {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]},
              {"role": "tool", "content": "42", "tool_call_id": "1", "name": "add"}],
             "chat_template_kwargs": {"z": true, "a": [1]}, "reasoning_effort": "low",
             "add_generation_prompt": false, "logprobs": true, "top_logprobs": 4}
            """)
        guard case .chat(let input) = request.input else { return #expect(Bool(false)) }
        #expect(input.messages[0].content.text == "a\nb")
        #expect(input.messages[1].content == .none && input.messages[1].toolCalls.count == 1)
        #expect(input.messages[2].toolCallID == "1" && input.messages[2].name == "add")
        #expect(input.templateArguments.members.map(\.name) == ["z", "a", "reasoning_effort"])
        #expect(!input.addsGenerationPrompt)
        #expect(request.output.logprobs == 4)
    }

    @Test func badBodiesSayWhatIsWrong() throws {
        let syntax = #expect(throws: APIError.self) { try completion("{\"prompt\": \"x\",\n}") }
        #expect(
            syntax?.message == "The body is not valid JSON: expected a name in double quotes, "
                + "found '}' (line 2, column 1, byte 16).")
        let kind = #expect(throws: APIError.self) { try completion("[1]") }
        #expect(kind?.message == "The body must be a JSON object, but it is an array of 1.")
        var limits = RequestLimits()
        limits.json.byteCount = 4
        let size = #expect(throws: APIError.self) {
            try GenerationRequest(completions: Array("{\"prompt\": 1}".utf8), limits: limits)
        }
        #expect(size?.status == 413)
    }

    @Test func anyBodyIsDecodedOrRefused() throws {
        let bodies = [
            #"{"model":"m","prompt":[[1,2],[3]],"n":2,"stop":["a"],"logit_bias":{"1":2},"seed":1}"#,
            #"{"prompt":"é","stream":true,"stream_options":{"include_usage":true},"logprobs":2}"#,
            #"{"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"top_k":3}"#,
            #"{"messages":[{"role":"tool","content":"x"}],"mixture":{"mask":["a"],"gate":true},"tools":[]}"#,
        ].map { Array($0.utf8) }
        try FuzzRun().forEachRound { random, seed in
            let body = ByteMutator.json.mutate(
                bodies.randomElement(using: &random) ?? [], with: &random)
            for decode in [completion, chat] as [([UInt8]) throws -> GenerationRequest] {
                do {
                    let request = try decode(body)
                    #expect(request.choiceCount > 0, "seed \(seed)")
                } catch let error as APIError {
                    #expect(error.status == 400 && !error.message.isEmpty, "seed \(seed)")
                }
            }
        }
    }
}
