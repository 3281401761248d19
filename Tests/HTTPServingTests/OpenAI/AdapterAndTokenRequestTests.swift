// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import Testing

@Suite struct AdapterAndTokenRequestTests {
    @Test func aLoadHasNamePathAndOptions() throws {
        let body = """
            {"lora_name": "a", "lora_path": "/x", "load_inplace": true, "expected_generation": 3,
             "pinned": false, "base_model_name": "b"}
            """
        let request = try LoadAdapterRequest(body: Array(body.utf8))
        #expect(request.name == "a" && request.path == "/x" && request.replaces)
        #expect(request.expectedGeneration == 3 && request.pinned == false)
        let bare = try LoadAdapterRequest(
            body: Array(#"{"lora_name": "a", "lora_path": "x"}"#.utf8))
        #expect(!bare.replaces && bare.expectedGeneration == nil && bare.pinned == nil)
    }

    @Test(arguments: [
        (#"{}"#, "lora_name", "InvalidUserInput"),
        (#"{"lora_name": "a"}"#, "lora_path", "InvalidUserInput"),
        (#"{"lora_name": "", "lora_path": "x"}"#, "lora_name", "InvalidUserInput"),
        (#"{"lora_name": "a,b", "lora_path": "x"}"#, "lora_name", "BadRequestError"),
        (#"{"lora_name": "a\u0007", "lora_path": "x"}"#, "lora_name", "BadRequestError"),
        (#"{"lora_name": "a", "lora_path": "x\u0000"}"#, "lora_path", "BadRequestError"),
        (#"{"lora_name": "a", "lora_path": 1}"#, "lora_path", "BadRequestError"),
        (
            #"{"lora_name": "a", "lora_path": "x", "expected_generation": -1}"#,
            "expected_generation", "BadRequestError"
        ),
        (
            #"{"lora_name": "a", "lora_path": "x", "is_3d_lora_weight": true}"#,
            "is_3d_lora_weight", "BadRequestError"
        ),
    ])
    func badLoadsAreRefused(body: String, field: String, type: String) {
        let error = #expect(throws: APIError.self) {
            try LoadAdapterRequest(body: Array(body.utf8))
        }
        #expect(error?.status == 400)
        #expect(error?.parameter == field)
        #expect(error?.type == type)
    }

    @Test func anUnloadNeedsAName() throws {
        let request = try UnloadAdapterRequest(
            body: Array(#"{"lora_name": "a", "lora_int_id": 7, "expected_generation": 1}"#.utf8))
        #expect(request.name == "a" && request.expectedGeneration == 1)
        let error = #expect(throws: APIError.self) {
            try UnloadAdapterRequest(body: Array("{}".utf8))
        }
        #expect(
            error?.message == "'lora_name' needs to be provided to unload a LoRA adapter.")
    }

    @Test func tokenizingTakesAPromptOrMessages() throws {
        let prompt = try TokenizeRequest(
            body: Array(#"{"prompt": "x", "return_token_strs": true}"#.utf8))
        #expect(prompt.input == .text("x"))
        #expect(prompt.addsSpecialTokens && prompt.returnsTokenStrings)
        let chat = try TokenizeRequest(
            body: Array(#"{"messages": [{"role": "user", "content": "x"}]}"#.utf8))
        #expect(!chat.addsSpecialTokens && !chat.returnsTokenStrings)
        guard case .chat(let input) = chat.input else { return #expect(Bool(false)) }
        #expect(input.messages.count == 1)
        for body in [
            "{}", #"{"prompt": "x", "messages": []}"#, #"{"messages": []}"#,
            #"{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}"#,
        ] {
            #expect(throws: APIError.self) { try TokenizeRequest(body: Array(body.utf8)) }
        }
    }

    @Test func detokenizingTakesTokens() throws {
        let request = try DetokenizeRequest(body: Array(#"{"tokens": [1, 2]}"#.utf8))
        #expect(request.tokens == [1, 2])
        for body in ["{}", #"{"tokens": [-1]}"#, #"{"tokens": "1"}"#] {
            #expect(throws: APIError.self) { try DetokenizeRequest(body: Array(body.utf8)) }
        }
    }
}
