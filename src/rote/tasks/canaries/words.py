"""Two hundred and fifty-six plain words, eight bits each."""

_LIST = """
apple apricot banana barley basil bean berry bread butter cabbage carrot celery cheese
cherry clove cocoa coffee cream fig flour garlic ginger grape honey lemon lentil mango melon
mint mustard nutmeg oat olive onion orange papaya parsley pasta peach peanut pear pepper
pickle plum potato pumpkin radish raisin rice salad salt sauce sesame soup spinach sugar
syrup tea thyme toast tomato turnip vanilla walnut badger bear beaver bee beetle bison camel
cat cheetah cobra cow crab crane crow deer dog dolphin donkey dove duck eagle eel falcon
ferret finch fox frog gecko goat goose hare hawk hedgehog heron horse hyena ibis jaguar
koala lark lemur leopard lion lizard llama lobster lynx magpie mole monkey moose moth mouse
newt octopus otter owl oyster panda parrot pelican penguin pigeon pony anchor apron arrow
axe bag ball barrel basket bell belt blanket boat book boot bottle bowl box brick bridge
broom brush bucket button candle canoe carpet cart chain chair chalk chest clock coat coin
comb compass cork cup curtain desk dial door drum easel engine fan feather fence flag flute
fork frame gate glass glove hammer harp hat helmet hinge hook horn jar kettle amber autumn
bay beach breeze brook canyon cave cliff cloud coast comet copper coral creek dawn delta
desert dune dusk dust ember fjord flame flood fog forest frost garden glacier gold grove
gulf hail harbour hill ice iron island ivory jade jungle lagoon lake lava leaf marble marsh
meadow mist moon moss mountain ocean opal pearl pebble plain planet pond prairie quartz rain
rapids
"""

WORDS = tuple(_LIST.split())
