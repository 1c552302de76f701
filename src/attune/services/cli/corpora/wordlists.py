"""English words by the part they play around a noun phrase. Small closed classes, written by hand (ours)."""


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


DETERMINERS = _words(
    "a all an another any both each every her his its my no our some such the their these this those your"
)

# What stands right before a verb, and seldom before a noun.
VERB_SIGNS = _words(
    "also are be been being can could did do does had has have he i is it may might must not shall she should that "
    "then they to was we were which who will would you"
)

_FUNCTION_WORDS = _words(
    "about above across after again against al along already although always among amongst and anyone anything aren "
    "as at away because before behind below beneath beside besides between beyond but by cannot despite didn doesn "
    "don down due during eg eight either else enough et etc even ever everyone everything few for four from "
    "further hence here herself him himself how however ie if in indeed inside instead into isn itself just least "
    "less like likely ll many me meanwhile more moreover most much namely near neither never nevertheless next nine "
    "nobody non nonetheless nor nothing now of off often on once one ones only onto or other others otherwise "
    "ourselves out outside over own per perhaps quite rather re same seven several since six so somebody someone "
    "something somewhat soon still ten than them themselves there thereby therefore three through throughout thus "
    "together too toward towards two under unless until up upon us usually ve versus very via vs wasn weren what "
    "when where whereas whereby wherein whether while whilst whom whose why with within without won yet"
)

STOP_WORDS = DETERMINERS | VERB_SIGNS | _FUNCTION_WORDS

# Adjectives, adverbs and verbs that can begin an n-gram without being part of a name.
WEAK_MODIFIERS = _words(
    "able additional adequate available best better big certain clear common comparable complete considerable "
    "corresponding current currently different difficult direct distinct early easy effective entire equal essential "
    "existing extensive favorite final first found full fully general generally given good great greater half high "
    "higher highly ideal important improved increased increasing increasingly individual initial interesting "
    "introduced key known large larger last late later left little long low lower main major makes making mean "
    "modern multiple necessary need new newly novel obtained old original overall particular perfect popular "
    "possible potential practical present presented previous previously primary prior proper proposed provided rapid "
    "real recent recently related relative relatively relevant required respective right round said second "
    "selected separate set short significant significantly similar simple single small smaller special "
    "specific standard strong subsequent successful suitable sure third total true typical unique useful using usual "
    "various well whole wide widely young"
)

# Nouns (and verbs) of reporting that name no topic: never an entity on their own nor the head of one.
GENERIC_WORDS = _words(
    "ability accordance account achieve add addition advantage advantages agreement aim aims allow amount amounts "
    "answer apply approach approaches area areas article articles aspect aspects assumption assumptions attempt "
    "author authors based basis benefit benefits best bit book books call case cases cause century challenge "
    "challenges chance change changes chapter characteristic characteristics choice claim class come compare "
    "comparison comparisons concept conclusion conclusions condition conditions consider consideration "
    "considerations context contrast contribution contributions copyright course create criteria criterion date day "
    "days deal definition degree degrees demonstrate describe description detail details development difference "
    "differences difficulty discussion effect effects effort efforts end evidence examination example examples "
    "existence experience explain extent fact factor factors feature features figure find finding findings focus "
    "form forms framework function functions future give go goal goals group groups growing hand help hour hours "
    "idea ideas impact importance improve improvement include increase information insight insights instance "
    "interest introduction investigation issue issues item items kind kinds knowledge lack let level levels limit "
    "limitation limitations list look lot majority make manner matter means measure member members method "
    "methodology methods minute minutes month months name nature need needs note notion number numbers objective "
    "objectives observation observations one option options order page paper papers part participant participants "
    "parts pattern people percent percentage period person perspective place point points possibility possible "
    "practice presence present presents problem problems procedure procedures process product products properties "
    "property proposal proposed provide purpose purposes quality quantity question questions range ranges rate rates "
    "ratio reader reason reasons recommendation reduction reference references relation relations relationship "
    "relationships report require research researcher researchers respect rest result results return review role "
    "sample say scope section see seen sense series set sets share show shown side significance similarity situation "
    "situations size solution solutions someone something state statement step steps strategy structure studies "
    "study subject subjects success summary support survey system systems take task tasks technique techniques "
    "technology term terms test tests theory thing things think time times today tool tools topic topics total trend "
    "try type types understanding use used user users using value values variety version view way ways website week "
    "weeks word words work works world year years yesterday"
)

# Endings of words that are hardly ever the head of a noun phrase, and the nouns that have them all the same.
NON_NOUN_ENDINGS = ("ed", "ly", "ous", "able", "ible", "ful", "less", "est", "ise", "ize", "ive", "ical")
NOUNS_DESPITE_ENDING = _words(
    "additive adjective alternative anomaly archive assembly bed breast breed bus cable chest conquest contest "
    "derivative detective directive disease drive enterprise executive exercise expertise family feed fly "
    "forest franchise guest harvest incentive increase initiative interest invest locomotive merchandise "
    "need nest noise objective paradise perspective pest premise prize protest reed reply "
    "representative request rise seed shed size sled speed supply surprise table test variable vegetable weed west"
)
