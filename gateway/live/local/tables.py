"""What clients may say: every message, field and enum of the client's side, as data.

The tables are text because they are read as text: a line begins with a message's
name, then come its fields, each a name, a type and perhaps a mark.  Names are the
service's protobuf names in lowerCamelCase.  A type is a scalar (``string bool int32
int64 float bytes duration timestamp``), ``struct`` (any JSON object), ``any`` (any
JSON value), an enum or a message; ``[]`` makes it a list, ``{}`` a map by string.
The mark ``D`` or ``V`` leaves a field to one service: the Developer API or Vertex.

Sources: Live API reference (BidiGenerateContent), google-genai's types and converters.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Service = Literal["dev", "vertex"]
Many = Literal["one", "list", "map"]

SCALARS = frozenset("string bool int32 int64 float bytes duration timestamp struct any".split())

_MESSAGES = """
BidiGenerateContentClientMessage: setup BidiGenerateContentSetup,
  clientContent BidiGenerateContentClientContent,
  realtimeInput BidiGenerateContentRealtimeInput,
  toolResponse BidiGenerateContentToolResponse,
  contextUpdate BidiGenerateContentContextUpdate

BidiGenerateContentSetup: model string, generationConfig GenerationConfig,
  systemInstruction Content, tools Tool[], realtimeInputConfig RealtimeInputConfig,
  inputAudioTranscription AudioTranscriptionConfig,
  outputAudioTranscription AudioTranscriptionConfig,
  sessionResumption SessionResumptionConfig,
  contextWindowCompression ContextWindowCompressionConfig, proactivity ProactivityConfig,
  explicitVadSignal bool V, historyConfig HistoryConfig, avatarConfig AvatarConfig,
  safetySettings SafetySetting[], labels string{}, enableSpeechToSpeechTranslation bool V

GenerationConfig: responseModalities Modality[], temperature float, topP float, topK float,
  maxOutputTokens int32, seed int32, candidateCount int32, presencePenalty float,
  frequencyPenalty float, mediaResolution MediaResolution, speechConfig SpeechConfig,
  thinkingConfig ThinkingConfig, enableAffectiveDialog bool,
  translationConfig TranslationConfig, audioTranscriptionConfig AudioTranscriptionConfig,
  inputAudioTranscription AudioTranscriptionConfig,
  outputAudioTranscription AudioTranscriptionConfig, modelSelectionConfig ModelSelectionConfig,
  responseLogprobs bool, logprobs int32, responseMimeType string, responseSchema Schema,
  responseJsonSchema any, stopSequences string[], routingConfig RoutingConfig V,
  audioTimestamp bool V, enableEnhancedCivicAnswers bool D, responseFormat ResponseFormat[]
ModelSelectionConfig: featureSelectionPreference FeatureSelectionPreference
RoutingConfig: autoMode AutoRoutingMode, manualMode ManualRoutingMode
AutoRoutingMode: modelRoutingPreference ModelRoutingPreference
ManualRoutingMode: modelName string
ResponseFormat: audio AudioResponseFormat, image ImageResponseFormat,
  text TextResponseFormat, video VideoResponseFormat
AudioResponseFormat: bitRate int32, delivery Delivery, mimeType string, sampleRate int32
ImageResponseFormat: aspectRatio string, delivery Delivery, imageSize string, mimeType string
TextResponseFormat: mimeType string, schema any
VideoResponseFormat: aspectRatio string, delivery Delivery, duration string, gcsUri string,
  resolution string
SpeechConfig: voiceConfig VoiceConfig, languageCode string,
  multiSpeakerVoiceConfig MultiSpeakerVoiceConfig
VoiceConfig: prebuiltVoiceConfig PrebuiltVoiceConfig,
  replicatedVoiceConfig ReplicatedVoiceConfig, voice string
PrebuiltVoiceConfig: voiceName string
ReplicatedVoiceConfig: mimeType string, voiceSampleAudio bytes, consentAudio bytes D,
  voiceConsentSignature VoiceConsentSignature D
VoiceConsentSignature: signature string
MultiSpeakerVoiceConfig: speakerVoiceConfigs SpeakerVoiceConfig[]
SpeakerVoiceConfig: speaker string, voiceConfig VoiceConfig
ThinkingConfig: thinkingBudget int32, thinkingLevel ThinkingLevel, includeThoughts bool
TranslationConfig: targetLanguageCode string, echoTargetLanguage bool
AudioTranscriptionConfig: languageCodes string[], customVocabulary string[],
  wordTimestamp bool, diarization bool, mode AudioTranscriptionConfigMode, sourceText string,
  languageHints LanguageHints, languageAuto LanguageAuto, adaptationPhrases string[]
LanguageHints: languageCodes string[]
LanguageAuto:

RealtimeInputConfig: automaticActivityDetection AutomaticActivityDetection,
  activityHandling ActivityHandling, turnCoverage TurnCoverage,
  interimTranscriptTimestampEnabled bool
AutomaticActivityDetection: disabled bool, startOfSpeechSensitivity StartSensitivity,
  endOfSpeechSensitivity EndSensitivity, prefixPaddingMs int32, silenceDurationMs int32
SessionResumptionConfig: handle string, transparent bool V
ContextWindowCompressionConfig: triggerTokens int64, slidingWindow SlidingWindow
SlidingWindow: targetTokens int64
ProactivityConfig: proactiveAudio bool, proactiveVideo bool
HistoryConfig: initialHistoryInClientContent bool
AvatarConfig: avatarName string, customizedAvatar CustomizedAvatar, audioBitrateBps int32,
  videoBitrateBps int32
CustomizedAvatar: imageMimeType string, imageData bytes
SafetySetting: category HarmCategory, method HarmBlockMethod V, threshold HarmBlockThreshold

BidiGenerateContentClientContent: turns Content[], turnComplete bool
BidiGenerateContentRealtimeInput: audio Blob, video Blob, text string, mediaChunks Blob[],
  media Blob[], audioStreamEnd bool, activityStart ActivityStart, activityEnd ActivityEnd
ActivityStart:
ActivityEnd:
BidiGenerateContentToolResponse: functionResponses FunctionResponse[]
BidiGenerateContentContextUpdate: systemInstruction Content, tools ContextUpdateTools
ContextUpdateTools: tools Tool[]

Content: parts Part[], role string
Part: text string, inlineData Blob, fileData FileData, functionCall FunctionCall,
  functionResponse FunctionResponse, executableCode ExecutableCode,
  codeExecutionResult CodeExecutionResult, toolCall ToolCall, toolResponse ToolResponse,
  audioTranscription Transcription, thought bool, thoughtSignature bytes,
  videoMetadata VideoMetadata, mediaResolution PartMediaResolution, partMetadata struct,
  mediaProcessing MediaProcessing, speechMetadata SpeechMetadata,
  documentMetadata DocumentMetadata, spreadsheetMetadata SpreadsheetMetadata,
  audioMetadata AudioMetadata
Blob: data bytes, mimeType string, displayName string
FileData: fileUri string, mimeType string, displayName string
FunctionCall: id string, name string, args struct, partialArgs PartialArg[] V,
  willContinue bool V
PartialArg: boolValue bool, jsonPath string, nullValue NullValue, numberValue float,
  stringValue string, willContinue bool
FunctionResponse: id string, name string, response struct,
  scheduling FunctionResponseScheduling, willContinue bool D, parts FunctionResponsePart[]
FunctionResponsePart: inlineData Blob, fileData FileData, mediaProcessing MediaProcessing,
  mediaResolution PartMediaResolution, videoMetadata VideoMetadata,
  documentMetadata DocumentMetadata, spreadsheetMetadata SpreadsheetMetadata,
  audioMetadata AudioMetadata
ExecutableCode: code string, language Language, id string
CodeExecutionResult: outcome Outcome, output string, id string
ToolCall: id string, toolType ToolType, args struct
ToolResponse: id string, toolType ToolType, response struct
Transcription: text string, finished bool, languageCode string, speakerLabel string,
  words WordInfo[], startOffset duration, endOffset duration
WordInfo: word string, startOffset duration, endOffset duration
VideoMetadata: startOffset duration, endOffset duration, fps float,
  contentLayers VideoMetadataContentLayer[]
PartMediaResolution: level PartMediaResolutionLevel, numTokens int32
SpeechMetadata: speaker string, style string
DocumentMetadata: startPage int32, endPage int32, contentLayers DocumentMetadataContentLayer[]
SpreadsheetMetadata: visibleCells string, sheetIndex int32,
  contentLayers SpreadsheetMetadataContentLayer[]
AudioMetadata: startOffset duration, endOffset duration

Tool: functionDeclarations FunctionDeclaration[], googleSearch GoogleSearch,
  googleSearchRetrieval GoogleSearchRetrieval, codeExecution CodeExecution,
  urlContext UrlContext, googleMaps GoogleMaps, computerUse ComputerUse,
  fileSearch FileSearch D, retrieval Retrieval V, enterpriseWebSearch EnterpriseWebSearch V,
  mcpServers McpServer[], parallelAiSearch ParallelAiSearch V, exaAiSearch ExaAiSearch V
FunctionDeclaration: name string, description string, parameters Schema,
  parametersJsonSchema any, response Schema, responseJsonSchema any, behavior Behavior
Schema: type Type, format string, title string, description string, nullable bool,
  enum string[], items Schema, maxItems int64, minItems int64, properties Schema{},
  propertyOrdering string[], required string[], minProperties int64, maxProperties int64,
  minimum float, maximum float, minLength int64, maxLength int64, pattern string, example any,
  anyOf Schema[], default any, defs Schema{} V, ref string V
GoogleSearch: searchTypes SearchTypes, timeRangeFilter Interval D, excludeDomains string[] V,
  blockingConfidence PhishBlockThreshold V
SearchTypes: webSearch WebSearch, imageSearch ImageSearch
WebSearch:
ImageSearch:
Interval: startTime timestamp, endTime timestamp
GoogleSearchRetrieval: dynamicRetrievalConfig DynamicRetrievalConfig
DynamicRetrievalConfig: mode DynamicRetrievalConfigMode, dynamicThreshold float
CodeExecution:
UrlContext:
GoogleMaps: authConfig AuthConfig V, enableWidget bool, groundingTypes GoogleMapsGroundingTypes
GoogleMapsGroundingTypes: places GoogleMapsPlaces, routing GoogleMapsRouting
GoogleMapsPlaces:
GoogleMapsRouting:
ComputerUse: environment Environment, excludedPredefinedFunctions string[],
  enablePromptInjectionDetection bool, disabledSafetyPolicies SafetyPolicy[]
FileSearch: fileSearchStoreNames string[], topK int32, metadataFilter string
EnterpriseWebSearch: excludeDomains string[], blockingConfidence PhishBlockThreshold
McpServer: name string, streamableHttpTransport StreamableHttpTransport
StreamableHttpTransport: url string, headers string{}, timeout duration,
  sseReadTimeout duration, terminateOnClose bool
ParallelAiSearch: apiKey string, customConfigs struct, enableDataRetention bool,
  enableZeroDataRetention bool
ExaAiSearch: apiKey string, customConfigs struct
Retrieval: disableAttribution bool, externalApi ExternalApi, vertexAiSearch VertexAISearch,
  vertexRagStore VertexRagStore
ExternalApi: apiAuth ApiAuth, apiSpec ApiSpec, authConfig AuthConfig,
  elasticSearchParams ElasticSearchParams, endpoint string,
  simpleSearchParams SimpleSearchParams
ApiAuth: apiKeyConfig ApiAuthApiKeyConfig
ApiAuthApiKeyConfig: apiKeySecretVersion string, apiKeyString string
AuthConfig: apiKey string, apiKeyConfig ApiKeyConfig, authType AuthType,
  googleServiceAccountConfig GoogleServiceAccountConfig,
  httpBasicAuthConfig HttpBasicAuthConfig, oauthConfig OauthConfig, oidcConfig OidcConfig
ApiKeyConfig: apiKeySecret string, apiKeyString string, name string,
  httpElementLocation HttpElementLocation
GoogleServiceAccountConfig: serviceAccount string
HttpBasicAuthConfig: credentialSecret string
OauthConfig: accessToken string, serviceAccount string
OidcConfig: idToken string, serviceAccount string
ElasticSearchParams: index string, numHits int32, searchTemplate string
SimpleSearchParams:
VertexAISearch: dataStoreSpecs DataStoreSpec[], datastore string, engine string,
  filter string, maxResults int32
DataStoreSpec: dataStore string, filter string
VertexRagStore: ragCorpora string[], ragResources RagResource[],
  ragRetrievalConfig RagRetrievalConfig, similarityTopK int32, storeContext bool,
  vectorDistanceThreshold float
RagResource: ragCorpus string, ragFileIds string[]
RagRetrievalConfig: filter RagFilter, hybridSearch RagHybridSearch, ranking RagRanking,
  topK int32
RagFilter: metadataFilter string, vectorDistanceThreshold float, vectorSimilarityThreshold float
RagHybridSearch: alpha float
RagRanking: llmRanker RagRanker, rankService RagRanker
RagRanker: modelName string
"""

_ENUMS = """
Modality: MODALITY_UNSPECIFIED TEXT IMAGE AUDIO VIDEO
MediaResolution: MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM
  MEDIA_RESOLUTION_HIGH
PartMediaResolutionLevel: MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW
  MEDIA_RESOLUTION_MEDIUM MEDIA_RESOLUTION_HIGH MEDIA_RESOLUTION_ULTRA_HIGH
ThinkingLevel: THINKING_LEVEL_UNSPECIFIED MINIMAL LOW MEDIUM HIGH XHIGH
StartSensitivity: START_SENSITIVITY_UNSPECIFIED START_SENSITIVITY_HIGH START_SENSITIVITY_LOW
EndSensitivity: END_SENSITIVITY_UNSPECIFIED END_SENSITIVITY_HIGH END_SENSITIVITY_LOW
ActivityHandling: ACTIVITY_HANDLING_UNSPECIFIED START_OF_ACTIVITY_INTERRUPTS NO_INTERRUPTION
TurnCoverage: TURN_COVERAGE_UNSPECIFIED TURN_INCLUDES_ONLY_ACTIVITY TURN_INCLUDES_ALL_INPUT
  TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO
AudioTranscriptionConfigMode: MODE_UNSPECIFIED VERBATIM SMART
Behavior: UNSPECIFIED BLOCKING NON_BLOCKING
FunctionResponseScheduling: SCHEDULING_UNSPECIFIED SILENT WHEN_IDLE INTERRUPT
Language: LANGUAGE_UNSPECIFIED PYTHON
Outcome: OUTCOME_UNSPECIFIED OUTCOME_OK OUTCOME_FAILED OUTCOME_DEADLINE_EXCEEDED
NullValue: NULL_VALUE
Type: TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL
HarmCategory: HARM_CATEGORY_UNSPECIFIED HARM_CATEGORY_HARASSMENT HARM_CATEGORY_HATE_SPEECH
  HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_DANGEROUS_CONTENT HARM_CATEGORY_CIVIC_INTEGRITY
  HARM_CATEGORY_JAILBREAK HARM_CATEGORY_IMAGE_HATE HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT
  HARM_CATEGORY_IMAGE_HARASSMENT HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT
HarmBlockMethod: HARM_BLOCK_METHOD_UNSPECIFIED SEVERITY PROBABILITY
HarmBlockThreshold: HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE
  BLOCK_MEDIUM_AND_ABOVE BLOCK_ONLY_HIGH BLOCK_NONE OFF
FeatureSelectionPreference: FEATURE_SELECTION_PREFERENCE_UNSPECIFIED PRIORITIZE_QUALITY
  BALANCED PRIORITIZE_COST
ModelRoutingPreference: UNKNOWN PRIORITIZE_QUALITY BALANCED PRIORITIZE_COST
Delivery: DELIVERY_UNSPECIFIED INLINE URI
MediaProcessing: MEDIA_PROCESSING_UNSPECIFIED STATIC AGENTIC
VideoMetadataContentLayer: CONTENT_LAYER_UNSPECIFIED FRAMES AUDIO TRANSCRIPT
DocumentMetadataContentLayer: CONTENT_LAYER_UNSPECIFIED PAGE_IMAGE PAGE_TEXT
SpreadsheetMetadataContentLayer: CONTENT_LAYER_UNSPECIFIED DATA FORMULAS VISUAL
ToolType: TOOL_TYPE_UNSPECIFIED GOOGLE_SEARCH_WEB GOOGLE_SEARCH_IMAGE URL_CONTEXT GOOGLE_MAPS
  FILE_SEARCH MEDIA_PROCESSING
DynamicRetrievalConfigMode: MODE_UNSPECIFIED MODE_DYNAMIC
PhishBlockThreshold: PHISH_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE
  BLOCK_MEDIUM_AND_ABOVE BLOCK_HIGH_AND_ABOVE BLOCK_HIGHER_AND_ABOVE BLOCK_VERY_HIGH_AND_ABOVE
  BLOCK_ONLY_EXTREMELY_HIGH
Environment: ENVIRONMENT_UNSPECIFIED ENVIRONMENT_BROWSER ENVIRONMENT_MOBILE ENVIRONMENT_DESKTOP
SafetyPolicy: SAFETY_POLICY_UNSPECIFIED FINANCIAL_TRANSACTIONS SENSITIVE_DATA_MODIFICATION
  COMMUNICATION_TOOL ACCOUNT_CREATION DATA_MODIFICATION USER_CONSENT_MANAGEMENT
  LEGAL_TERMS_AND_AGREEMENTS
ApiSpec: API_SPEC_UNSPECIFIED SIMPLE_SEARCH ELASTIC_SEARCH
AuthType: AUTH_TYPE_UNSPECIFIED NO_AUTH API_KEY_AUTH HTTP_BASIC_AUTH
  GOOGLE_SERVICE_ACCOUNT_AUTH OAUTH OIDC_AUTH
HttpElementLocation: HTTP_IN_UNSPECIFIED HTTP_IN_QUERY HTTP_IN_HEADER HTTP_IN_PATH
  HTTP_IN_BODY HTTP_IN_COOKIE
"""

# A union: of these fields of a message at most one may be set.
ONEOFS = MappingProxyType(
    {
        "BidiGenerateContentClientMessage": ("message", None),
        "Part": (
            "data",
            frozenset(
                "text inlineData fileData functionCall functionResponse executableCode "
                "codeExecutionResult toolCall toolResponse".split()
            ),
        ),
        "VoiceConfig": (
            "voice_config",
            frozenset(("prebuiltVoiceConfig", "replicatedVoiceConfig", "voice")),
        ),
    }
)

# These enums are written in any case by clients, and read so by the service.
ANY_CASE = frozenset(("Type",))

# Known to the message, refused in a live session.
NOT_IN_LIVE = frozenset(
    "responseLogprobs responseMimeType logprobs responseSchema stopSequences routingConfig "
    "audioTimestamp".split()
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its names in both spellings, its type, and the service that has it."""

    name: str
    snake: str
    type: str
    many: Many = "one"
    service: Service | None = None


def snake_case(name: str) -> str:
    """``voiceConfig`` to ``voice_config``; what is already in snake_case stays."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def _entries(table: str) -> dict[str, str]:
    """Names and what follows their colon; indented lines go on with the line before."""
    joined = table.replace("\n  ", " ")
    pairs = (line.partition(":") for line in joined.splitlines() if line)
    return {name: rest.strip() for name, _, rest in pairs}


def _field(text: str) -> Field:
    name, kind, *mark = text.split()
    many: Many = "list" if kind.endswith("[]") else "map" if kind.endswith("{}") else "one"
    service: Service | None = {"D": "dev", "V": "vertex"}[mark[0]] if mark else None  # type: ignore[assignment]
    return Field(name, snake_case(name), kind.rstrip("[]{}"), many, service)


ENUMS = MappingProxyType({name: tuple(values.split()) for name, values in _entries(_ENUMS).items()})
MESSAGES = MappingProxyType(
    {
        name: tuple(_field(text) for text in fields.split(",") if text.strip())
        for name, fields in _entries(_MESSAGES).items()
    }
)
# A message's fields by either spelling.
BY_NAME = MappingProxyType(
    {
        message: {key: field for field in fields for key in (field.name, field.snake)}
        for message, fields in MESSAGES.items()
    }
)
ROOT = "BidiGenerateContentClientMessage"
